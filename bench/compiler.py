"""The programs in C, where Python would be the bottleneck."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bench.deadline import BenchError


HERE = Path(__file__).resolve().parent


def compiled(name: str, folder: str) -> str:
    """Compiles a program into a folder, unless it is there; returns its path.

    Raises:
        BenchError: if there is no compiler, or it fails.
    """
    program = Path(folder) / name
    if not program.exists():
        compiler = shutil.which("cc")
        if compiler is None:
            raise BenchError(
                "no cc on the PATH: install a C compiler (Debian: apt install gcc "
                "libc6-dev)"
            )
        source = str(HERE / f"{name}.c")
        done = subprocess.run(
            [compiler, "-O2", "-o", str(program), source],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        if done.returncode:
            said = done.stdout.strip().partition("\n")[0]
            raise BenchError(f"cc cannot compile {source}: {said}")
    return str(program)
