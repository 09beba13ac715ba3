"""What the demo consists of: the command, the environment and the test of each part."""

from __future__ import annotations

import contextlib
import http.client
import os
import sys
from collections.abc import Sequence

from demo.checks import key_prefix
from demo.part import Part
from demo.redis_server import redis_answers, redis_command


#: Seconds over which a stopping relay spreads the closing of its sockets.
DRAIN_WINDOW = "1"

GUNICORN = (sys.executable, "-m", "gunicorn", "-c", "python:demo.gunicorn_conf")


def address(host: str, port: int) -> str:
    """Returns `host:port` as it stands in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def redis_part(program: str, port: int, folder: str) -> Part:
    """Returns the demo's own Redis, which works in `folder`."""
    url = f"redis://127.0.0.1:{port}"
    return Part(
        "redis",
        redis_command(program, port, folder),
        ready=lambda: redis_answers(url),
        environ=_environ(),
    )


def relay_part(number: int, server: str, servers: Sequence[str], redis: str) -> Part:
    """Returns the relay node `server`, one of `servers`."""
    return Part(
        f"relay-{number}",
        [
            *GUNICORN,
            *("-k", "gevent", "-w", "1", "-b", server, "freeim.relay_wsgi:app"),
        ],
        ready=lambda: answers_200(server, "/readyz"),
        environ=_environ(
            FREEIM_REDIS=redis,
            FREEIM_KEY_PREFIX=key_prefix(redis),
            FREEIM_SERVERS=",".join(servers),
            FREEIM_SERVER=server,
            FREEIM_DRAIN_WINDOW=DRAIN_WINDOW,
        ),
    )


def webapi_part(
    host: str, port: int, servers: Sequence[str], redis: str, folder: str
) -> Part:
    """Returns the WebApi, which also serves the page and keeps its data in `folder`."""
    listen = address(host, port)
    return Part(
        "webapi",
        [
            *GUNICORN,
            *("-k", "gthread", "--threads", "8", "--graceful-timeout", "2"),
            *("-b", listen, "demo.flask_webapi:create_app()"),
        ],
        ready=lambda: answers_200(listen, "/"),
        environ=_environ(
            FREEIM_REDIS=redis,
            FREEIM_KEY_PREFIX=key_prefix(redis),
            FREEIM_SERVERS=",".join(servers),
            FREEIM_DEMO_FOLDER=folder,
            FREEIM_DEMO_MODE="1",
        ),
        comes_back=True,
    )


def answers_200(server: str, path: str) -> bool:
    """Tells whether a GET of `path` succeeds now."""
    # Not urllib: it would ask the proxy that the environment may name.
    connection = http.client.HTTPConnection(server, timeout=2)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


def _environ(**settings: str) -> dict[str, str]:
    # The settings of another FreeIM or gunicorn in this shell are not the demo's.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FREEIM_", "GUNICORN_"))
    }
    return {**inherited, "PYTHONUNBUFFERED": "1", **settings}
