"""The machine under the benchmark: its cores, its limits, its name."""

from __future__ import annotations

import os
import platform
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from bench.deadline import BenchError


#: Files that a process opens beside its sockets, about.
SPARE_FILES = 200

#: Packages whose versions belong to a figure.
PACKAGES = ("gevent", "gunicorn", "redis", "hiredis", "wsproto")


def check_system() -> None:
    """Refuses systems without epoll and `/proc`."""
    if sys.platform != "linux":
        raise BenchError(f"{sys.platform} is not Linux, whose epoll and /proc we need")


def cores() -> tuple[int, int]:
    """Returns the core of the servers and that of everything else.

    To be asked before this process goes to one of them.
    """
    ours = sorted(os.sched_getaffinity(0))
    return ours[0], ours[min(1, len(ours) - 1)]


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Puts this thread, and the processes that it starts meanwhile, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_file_limit() -> None:
    """Lets this process, and those it starts, open as many files as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def sockets_per_process() -> int:
    """Returns how many sockets one process can hold."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return 1 << 20
    return limit - SPARE_FILES


def check_files(sockets: int, processes: int) -> None:
    """Refuses more sockets than some processes may hold together."""
    most = sockets_per_process() * processes
    if sockets > most:
        raise BenchError(
            f"{sockets:,} sockets are too many files for {processes} relay "
            f"process(es), which may hold {most:,}: raise `ulimit -n`, or give more "
            "--nodes"
        )


def resident_kib(pid: int) -> int:
    """Returns the resident memory of a process and all that it has started."""
    total, todo = 0, [pid]
    while todo:
        process = Path("/proc") / str(todo.pop())
        try:
            status = (process / "status").read_text()
            for task in (process / "task").iterdir():
                todo.extend(map(int, (task / "children").read_text().split()))
        except OSError:
            # It has ended meanwhile.
            continue
        match = re.search(r"^VmRSS:\s+(\d+)", status, re.M)
        total += int(match.group(1)) if match else 0
    return total


def describe(redis_version: str) -> str:
    """Returns the machine and the versions at work, in one line."""
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} cores, "
        f"Linux {platform.release().split('-')[0]}, Python "
        f"{platform.python_version()}, {packages}, Redis {redis_version}"
    )
