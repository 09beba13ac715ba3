"""What tox does in this project beyond its configuration: it finds pyenv's Pythons."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tox.plugin import impl


@impl
def tox_add_core_config(core_conf: Any, state: Any) -> None:
    """Puts the interpreters that pyenv keeps behind those on the PATH.

    pyenv's own shims on the PATH are refused for any but the version that is chosen.
    """
    folders = [str(folder) for folder in pyenv_folders()]
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *folders])


def pyenv_folders() -> list[Path]:
    """Returns the folders of the Pythons that pyenv has, if there is a pyenv."""
    pyenv = shutil.which("pyenv")
    if pyenv is None:
        return []
    asked = subprocess.run([pyenv, "root"], stdout=subprocess.PIPE, text=True)
    return sorted(Path(asked.stdout.strip()).glob("versions/*/bin"))
