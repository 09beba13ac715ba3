"""Completion in a real bash: what the line of the documentation brings about."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


DOCS = Path(__file__).parent.parent.parent / "docs/cli.md"
#: bash's answer to <Tab>, by hand: the function that `complete -F` has for freeim.
TAB = """
{line}
COMP_WORDS=({words}) COMP_CWORD={last}
$(complete -p freeim | sed 's/.*-F \\([^ ]*\\) .*/\\1/') freeim
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def documented_line():
    found = re.search(
        r'eval "\$\(_FREEIM_COMPLETE=bash_source freeim\)"', DOCS.read_text()
    )
    assert found, "docs/cli.md says how to complete in bash"
    return found.group()


@pytest.mark.parametrize(
    "words, offered",
    [
        ("freeim dr", {"drain"}),
        ("freeim ch", {"chans", "check-config"}),
        ("freeim relay --drain", {"--drain-window"}),
    ],
)
def test_bash_completes_commands_and_options(words, offered):
    script = TAB.format(
        line=documented_line(), words=words, last=len(words.split()) - 1
    )
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PATH": path},
    )
    assert done.stderr == ""
    assert set(done.stdout.split()) == offered
