"""The units of deploy/systemd/, verified by systemd, and the kernel's settings."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .files import DEPLOY, UNITS, gunicorn_conf, settings


#: How exposed `systemd-analyze security` may find a unit, of 100: "OK" ends at 50.
EXPOSURE = 40

systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


@pytest.fixture
def installed(tmp_path):
    """Returns a function that lays a unit down beside the program that it starts."""

    def install(unit):
        program = tmp_path / "gunicorn"
        if not program.exists():
            program.symlink_to(sys.executable)
        text = unit.read_text(encoding="utf-8")
        text = re.sub(r"(?<=^ExecStart=)\S+", str(program), text, flags=re.M)
        text = re.sub(r"(?<=^WorkingDirectory=)\S+", str(tmp_path), text, flags=re.M)
        name = unit.name.replace("@.", "@im-1.")
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return install


def analyze(*arguments):
    process = subprocess.run(
        ["systemd-analyze", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return process.returncode, process.stdout


@systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_no_fault(unit, installed):
    status, output = analyze("verify", "--man=no", str(installed(unit)))
    assert (status, output) == (0, "")


@systemd
def test_systemd_would_find_one(installed):
    path = installed(UNITS[0])
    path.write_text(path.read_text().replace("KillMode=", "KilMode="))
    assert "KilMode" in analyze("verify", "--man=no", str(path))[1]


@systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_are_not_exposed(unit, installed):
    status, output = analyze(
        *("security", "--offline=true", f"--threshold={EXPOSURE}"),
        str(installed(unit)),
    )
    assert status == 0, output


def test_units_wait_longer_than_gunicorn(monkeypatch):
    monkeypatch.delenv("FREEIM_DRAIN_WINDOW", raising=False)
    (relay,) = (unit for unit in UNITS if "relay" in unit.name)
    assert int(settings(relay)["TimeoutStopSec"]) > gunicorn_conf()["graceful_timeout"]


def test_kernel_knows_every_setting():
    text = (DEPLOY / "sysctl.d/60-freeim.conf").read_text(encoding="utf-8")
    names = re.findall(r"^([\w.]+) = \d+$", text, re.M)
    assert len(names) == len([x for x in text.splitlines() if x and x[0] != "#"]) > 2
    for name in names:
        path = Path("/proc/sys", *name.split("."))
        # A container may hide what it may not set.
        assert path.exists() or not Path("/proc/sys/net/core").exists(), name
