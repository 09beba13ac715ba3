"""Completion in real shells: what the lines of the documentation bring about."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ..running import DEADLINE, clean_environ


DOCS = Path(__file__).parent.parent.parent / "docs/cli.md"

CASES = pytest.mark.parametrize(
    "words, offered",
    [
        ("freeim dr", {"drain"}),
        ("freeim ch", {"chans", "check-config"}),
        ("freeim relay --drain", {"--drain-window"}),
    ],
)

#: bash's answer to <Tab>, by hand: the function that `complete -F` has for freeim.
BASH_TAB = """
{line}
COMP_WORDS=({words}) COMP_CWORD={last}
$(complete -p freeim | sed 's/.*-F \\([^ ]*\\) .*/\\1/') freeim
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

#: What a terminal is told beside texts: colours, and where the next one stands.
ESCAPES = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]|.\x08|\x07")


def documented_line(shell):
    found = re.search(rf"^- {shell}\b.*: `([^`]+)`$", DOCS.read_text(), re.M)
    assert found, f"docs/cli.md says how to complete in {shell}"
    return found[1]


def environ():
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    return clean_environ(PATH=path, TERM="xterm")


def run(shell, script):
    """Returns the lines that a script printed."""
    done = subprocess.run(
        [shell, "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        env=environ(),
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@CASES
def test_bash_completes_commands_and_options(words, offered):
    last = len(words.split()) - 1
    line = documented_line("bash")
    lines = run("bash", BASH_TAB.format(line=line, words=words, last=last))
    assert set(lines) == offered


@CASES
def test_fish_completes_commands_and_options(words, offered):
    lines = run("fish", f"{documented_line('fish')}; complete -C '{words}'")
    assert {line.partition("\t")[0] for line in lines} == offered


@CASES
def test_zsh_completes_commands_and_options(words, offered):
    with Shell("zsh", "-f", "-i") as zsh:
        zsh.type(f"autoload -Uz compinit; compinit -D; {documented_line('zsh')}\n")
        zsh.type("echo here$((1 + 1))\n")
        zsh.wait_for({"here2"})
        zsh.type(f"{words}\t")
        # One is put in, of several there is a list.
        zsh.wait_for(offered)


class Shell:
    """An interactive shell, seen by its user; runs in a `with`."""

    def __init__(self, *command):
        self._command = command
        self._shown = ""

    def __enter__(self):
        self._pid, self._end = pty.fork()
        if self._pid == 0:
            os.execvpe(self._command[0], self._command, environ())
        return self

    def __exit__(self, *_):
        os.close(self._end)
        os.waitpid(self._pid, 0)

    def type(self, keys):
        os.write(self._end, keys.encode())

    def wait_for(self, words):
        """Waits until all of these words were shown since this was last called."""
        end = time.monotonic() + DEADLINE
        while not words <= set(ESCAPES.sub("", self._shown).split()):
            left = max(0, end - time.monotonic())
            ready = select.select([self._end], [], [], left)[0]
            assert ready, f"waited in vain for {words}: {self._shown!r}"
            self._shown += os.read(self._end, 65536).decode()
        self._shown = ""
