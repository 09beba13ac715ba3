"""`python -m tests.browser.install_chromium`: makes sure that there is a Chromium.

Installs Debian's, with a font for Chinese, if it is missing and this user may.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys


PACKAGES = ("chromium", "fonts-wqy-zenhei")


def main() -> int:
    """Returns the exit status: 0 if there is a Chromium afterwards."""
    if shutil.which("chromium"):
        return 0
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        print(
            "the browser tests need chromium on the PATH; on Debian, as root: "
            f"apt-get install {' '.join(PACKAGES)}",
            file=sys.stderr,
        )
        return 1
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        [apt, "update"],
        [apt, "install", "-y", "--no-install-recommends", *PACKAGES],
    ):
        status = subprocess.run(command, env=environ).returncode
        if status:
            print(f"{' '.join(command)} failed (status {status})", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
