"""The commands of a shell block, each looked up where its options are defined."""

from __future__ import annotations

import ast
import configparser
import importlib.util
import re
import shlex
from pathlib import PurePosixPath
from typing import NamedTuple

import click
from gunicorn.config import Config

from freeim import ImClientOptions, RelayOptions
from freeim.cli.commands import COMMANDS, freeim
from freeim.options import variable
from tests.running import WAYS

from .pages import ROOT


#: Programs that are not ours, and not run here: why their lines are taken as they are.
NOT_OURS = {
    ".": "the shell's own; the tests have an environment",
    "celery": "tests/recipes/test_workers.py starts the worker in its own way",
    "cp": "done by the tutorial's test",
    "docker": "no Docker here; tests/deploy has the files checked",
    "flask": "run by the tutorial's test",
    "install": "copies into /etc; that the files are there is checked",
    "kubectl": "no cluster here; tests/deploy has the files checked",
    "mkdir": "of the shell",
    "redis-cli": "done by the test of the page",
    "redis-server": "run by the tutorial's test",
    "rq": "tests/recipes/test_workers.py starts the worker in its own way",
    "systemctl": "no systemd here; tests/deploy has the units verified",
    "useradd": "changes the machine",
}

#: What a gunicorn on our pages serves, each of them run by a test.
APPLICATIONS = {
    "freeim.relay_wsgi:app",
    "demo.flask_webapi:create_app()",
    "app:create_app()",
    "app:application",
    "mysite.wsgi",
}

#: Options of relays, and what our own programs read besides.
VARIABLES = {
    *(
        variable(name)
        for kind in (RelayOptions, ImClientOptions)
        for name, *_ in kind.names()
    ),
    "FREEIM_DEMO_MODE",
    "FREEIM_SCREENSHOTS",
}

SEPARATORS = {"&&", "&", ";", "|", "||"}


class Command(NamedTuple):
    """One program with its arguments, and the variables that stand before it."""

    variables: dict
    program: str
    arguments: list


def commands(code):
    """Yields the commands of a block; raises ValueError if a quote is open."""
    for line in code.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&;|")
        lexer.whitespace_split = True
        words = []
        for word in [*lexer, ";"]:
            if word not in SEPARATORS:
                words.append(word)
            elif words:
                yield command_of(words)
                words = []


def command_of(words):
    """Returns the command that words are."""
    variables = {}
    rest = [*words]
    if rest[0] == "export":
        del rest[0]
    while rest and re.match(r"[A-Z_]+=", rest[0]):
        name, _, value = rest.pop(0).partition("=")
        variables[name] = value
    program = (PurePosixPath(rest[0]).name or rest[0]) if rest else ""
    return Command(variables, program, rest[1:])


def check(command):
    """Raises AssertionError, or the program's own error, if it cannot be right."""
    for name in command.variables:
        known = not name.startswith("FREEIM_") or name in VARIABLES
        assert known, f"{name} is no variable of ours"
    for word in command.arguments:
        ours = word.startswith(("deploy/", "docs/", "demo/"))
        assert not ours or (ROOT / word).exists(), f"{word} is not there"
    if command.program:
        checker = CHECKERS.get(command.program)
        assert checker or command.program in NOT_OURS, f"who is {command.program}?"
        if checker:
            checker(command.arguments)


def check_freeim(arguments):
    name, *rest = arguments
    known = {one.name: one for one in COMMANDS}
    assert name in known, f"freeim has no command {name}"
    if name != "bench":
        known[name].make_context(f"freeim {name}", rest, parent=click.Context(freeim))


def check_gunicorn(arguments):
    given = Config().parser().parse_args(arguments)
    assert given.args and given.args[0] in APPLICATIONS, given.args
    classes = {way[way.index("-k") + 1] for way in WAYS.values() if "-k" in way}
    if given.args[0] == "freeim.relay_wsgi:app":
        assert given.worker_class in classes or given.config, given.worker_class


def check_pip(arguments):
    verb, *rest = arguments
    assert verb == "install"
    for extra in re.findall(r"\[(\w+(?:,\w+)*)\]", " ".join(rest)):
        unknown = set(extra.split(",")) - extras() - {"redis"}
        assert not unknown, f"no extra {unknown}"


def check_python(arguments):
    assert arguments[0] == "-m", arguments
    assert importlib.util.find_spec(arguments[1]), f"no module {arguments[1]}"


def check_tox(arguments):
    for flag, value in zip(arguments, arguments[1:]):
        if flag == "-e":
            assert f"testenv:{value}" in tox() or value == "py", f"tox has no {value}"


def extras():
    """Returns the names in setup.py's `extras_require`."""
    for node in ast.walk(ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "extras_require":
            return {key.value for key in node.value.keys}
    raise AssertionError("setup.py has no extras_require")


def tox():
    """Returns what tox.ini says."""
    read = configparser.ConfigParser()
    read.read(ROOT / "tox.ini")
    return read


CHECKERS = {
    "freeim": check_freeim,
    "gunicorn": check_gunicorn,
    "pip": check_pip,
    "python": check_python,
    "python3": check_python,
    "tox": check_tox,
}
