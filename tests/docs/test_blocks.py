"""Every code block of every page: which test runs it, or why none does."""

from __future__ import annotations

import ast
import builtins
import re

import pytest

from demo import flask_webapi
from freeim.cli.commands import COMMANDS

from . import shell
from .pages import PAGES, ROOT, blocks_of, read


#: Pages whose Python is run, and the test that does it.
RUN_BY = {
    "README.md": "docs/test_readme.py",
    "README.zh-CN.md": "docs/test_readme.py",
    "docs/migration/csharp-freeim.md": "docs/test_migration.py",
    "docs/migration/flask-socketio.md": "docs/test_migration.py",
    "docs/recipes/celery.md": "recipes/test_workers.py",
    "docs/recipes/django.md": "recipes/test_web.py",
    "docs/recipes/flask.md": "recipes/test_web.py",
    "docs/recipes/rq.md": "recipes/test_workers.py",
    "docs/recipes/sqlalchemy.md": "recipes/test_web.py",
    "docs/recipes/wsgi.md": "recipes/test_web.py",
    "docs/resharding.md": "recipes/test_resharding.py",
    "docs/tutorial.md": "docs/tutorial.py",
}

#: Languages of blocks that no page's test runs, and what is done instead. Python and
#: shell have tests below, JavaScript in tests/browser/test_scripts.py.
OF_A_LANGUAGE = {
    ("docs/architecture.md", ""): "a drawing; test_docs.py compares the names",
    ("README.md", ""): "a drawing",
    ("docs/wire-format.md", ""): "test_docs.py compares it with the golden cases",
    ("docs/wire-format.md", "text"): "a form, or a dump: docs/test_wire_bytes.py",
    ("docs/doctor.md", "text"): "output; the doctor's tests compare causes and fixes",
    ("docs/operations.md", "text"): "log lines, with ids and times",
    ("docs/resharding.md", "text"): "recipes/test_resharding.py compares the output",
    ("docs/public-address.md", "nginx"): "a part of the file that tests/proxies runs",
    ("docs/tutorial.md", "html"): "a file of docs/test_tutorial.py",
    ("docs/migration/csharp-freeim.md", "csharp"): "there is no .NET here",
}

#: Python that is not run, by its first line, and why.
NOT_RUN = {
    (
        "docs/migration/flask-socketio.md",
        "# before.py",
    ): "Flask-SocketIO's, not installed",
    ("docs/demo.md", "def check_session() -> None:"): "quoted from the demo",
    (
        "docs/demo.md",
        "url = ImHelper.prev_connect_server(user.id, request.remote_addr)",
    ): ("quoted from the demo"),
    ("docs/demo.md", "def send(sender, place, text, key, file=None):"): (
        "quoted from the demo, shortened"
    ),
    ("docs/demo.md", '@messages.get("/missed")'): "quoted from the demo",
    ("docs/demo.md", "try:"): "quoted from the demo, shortened",
}

BLOCKS = [block for page in PAGES for block in blocks_of(page)]

#: Names that the demo's fragments may use.
DEMO = "\n".join(
    path.read_text(encoding="utf-8")
    for path in sorted(ROOT.glob("demo/flask_webapi/*.py"))
)


def of(*languages):
    """Returns the blocks of some languages, and names for them."""
    found = [block for block in BLOCKS if block.language in languages]
    names = [f"{block.page}: {block.first_line[:40]}" for block in found]
    return pytest.mark.parametrize("block", found, ids=names)


def test_every_block_has_somebody_who_looks_at_it():
    loose = [
        (block.page, block.language, block.first_line)
        for block in BLOCKS
        if block.language not in {"python", "sh", "js"}
        and (block.page, block.language) not in OF_A_LANGUAGE
    ]
    assert loose == [], "add a test, or a reason to OF_A_LANGUAGE"


def test_no_reason_is_for_a_block_that_is_gone():
    there = {(block.page, block.language) for block in BLOCKS}
    assert set(OF_A_LANGUAGE) - there == set()
    first_lines = {(block.page, block.first_line) for block in BLOCKS}
    assert set(NOT_RUN) - first_lines == set()
    programs = {
        one.program
        for block in BLOCKS
        if block.language == "sh"
        for one in shell.commands(block.code)
    }
    assert set(shell.NOT_OURS) - programs == set()


@of("python")
def test_python_is_run_or_has_a_reason(block):
    compile(block.code, block.page, "exec")
    if (block.page, block.first_line) in NOT_RUN:
        return
    runner = (ROOT / "tests" / RUN_BY[block.page]).read_text(encoding="utf-8")
    name = block.page.partition("/")[2] or block.page
    assert name in runner, f"{RUN_BY[block.page]} does not name {name}"


@of("python")
def test_what_python_takes_from_freeim_is_there(block):
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "freeim"
        ):
            module = __import__(node.module, fromlist=["*"])
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module}.{alias.name}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "ImHelper":
                from freeim import ImHelper

                assert hasattr(ImHelper, node.attr), f"ImHelper.{node.attr}"


@pytest.mark.parametrize(
    "block",
    [one for one in BLOCKS if (one.page, one.language) == ("docs/demo.md", "python")],
    ids=lambda one: one.first_line,
)
def test_what_the_demo_is_quoted_with_is_in_it(block):
    """Each name of a fragment is the demo's, or Python's own."""
    names = {
        node.id
        for node in ast.walk(ast.parse(block.code))
        if isinstance(node, ast.Name)
    }
    unknown = {
        name
        for name in names - set(dir(builtins))
        if not re.search(rf"\b{name}\b", DEMO)
    }
    assert unknown == set()
    assert flask_webapi.create_app


@of("sh")
def test_commands_can_be_typed(block):
    found = list(shell.commands(block.code))
    assert found
    for command in found:
        shell.check(command)


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_the_text_are_there(page):
    """`freeim COMMAND --option` in a sentence or a table names what there is."""
    known = {one.name: one for one in COMMANDS}
    for text in re.findall(r"`(?:python -m )?freeim ([^`\n]+)`", read(page)):
        name, *rest = text.split()
        if name == "COMMAND":
            continue
        assert name in known, f"freeim {text}"
        options = {flag for one in known[name].params for flag in one.opts}
        for word in rest:
            flag = word.strip("[]").partition("=")[0]
            ours = flag.startswith("--") and flag != "--help"
            assert not ours or flag in options, f"freeim {text}"


@of("nginx")
def test_nginx_is_a_part_of_the_file_that_is_tested(block):
    conf = (ROOT / "deploy/nginx/freeim.conf").read_text(encoding="utf-8")
    known = {line.split("#")[0].strip() for line in conf.splitlines()}
    shown = {line.split("#")[0].strip() for line in block.code.splitlines()}
    # The file has an upstream, with the same address in it.
    (passed,) = {line for line in shown if line.startswith("proxy_pass")}
    assert re.search(r"127\.0\.0\.1:6001", conf) and "127.0.0.1:6001/ws" in passed
    assert shown - {passed} - known == set()
