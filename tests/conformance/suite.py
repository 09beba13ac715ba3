"""Autobahn's test suite: found, installed, and run by the Python 2.7 that it needs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path


SUITE = "autobahntestsuite==0.8.2"

#: Its packages are old-fashioned ones, which need their folder's `.pth` files.
WSTEST = (
    "import site, sys; site.addsitedir(sys.argv.pop(1)); "
    "from autobahntestsuite.wstest import run; run()"
)


class Missing(Exception):
    """What the suite needs is not here; the text says what to do."""


def python27():
    """Returns a Python 2.7: from `PYTHON27`, the PATH, or pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [
        os.environ.get("PYTHON27"),
        shutil.which("python2.7"),
        *sorted(map(str, pyenv.glob("versions/2.7.*/bin/python2.7"))),
    ]
    for candidate in filter(None, candidates):
        # pyenv's shim is on the PATH although no 2.7 may be in use.
        if _runs([candidate, "-m", "pip", "--version"]):
            return candidate
    raise Missing(
        "no python2.7 with pip found: install one (pyenv install 2.7.18), or name it "
        "in PYTHON27"
    )


def install(python, folder):
    """Installs the suite into a folder, unless it is there."""
    done = folder / "installed"
    if done.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    command = [python, "-m", "pip", "install", "-q", "--target", str(folder), SUITE]
    # pip says that 2.7 is old.
    answer = subprocess.run(command, stderr=subprocess.PIPE, encoding="utf-8")
    if answer.returncode:
        raise Missing(f"{SUITE} cannot be installed: {answer.stderr.strip()}")
    done.touch()


def run(python, folder, url, cases, reports):
    """Runs cases against a server; returns the outcome of each by its number."""
    reports.mkdir(parents=True, exist_ok=True)
    spec = reports / "spec.json"
    spec.write_text(
        json.dumps(
            {
                "outdir": str(reports),
                "servers": [{"agent": "freeim", "url": url}],
                "cases": cases,
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
        )
    )
    command = [python, "-c", WSTEST, str(folder)]
    with open(reports / "log", "w") as log:
        subprocess.run(
            [*command, "-m", "fuzzingclient", "-s", str(spec)],
            cwd=reports,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=True,
        )
    return json.loads((reports / "index.json").read_text())["freeim"]


def _runs(command):
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False
