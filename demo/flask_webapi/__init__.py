"""The WebApi of the demo: the business side of FreeIM, in plain synchronous Flask.

Any WSGI server runs it, such as
`gunicorn -k gthread --threads 8 'demo.flask_webapi:create_app()'`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from flask import Flask
from redis import RedisError
from werkzeug.serving import is_running_from_reloader

from freeim import ImHelper
from freeim.options import DEFAULT_PUBLIC_URL

from .nicks import Nicks
from .routes import tell_changed, ws


STATIC = Path(__file__).resolve().parent.parent / "static"


def create_app(
    redis: str | None = None,
    servers: Sequence[str] | None = None,
    nicks: str | None = None,
) -> Flask:
    """Makes the application; what is not given comes from the environment.

    Args:
        redis: URL of the Redis that the relays use (FREEIM_REDIS).
        servers: names of all relays, in their order (FREEIM_SERVERS).
        nicks: SQLite file of the nick names (FREEIM_DEMO_NICKS); in memory without.
    """
    environ = os.environ
    ImHelper.initialization(
        redis=redis or environ.get("FREEIM_REDIS", "redis://127.0.0.1:6379/0"),
        servers=servers or environ.get("FREEIM_SERVERS", "127.0.0.1:6001"),
        key_prefix=environ.get("FREEIM_KEY_PREFIX", ""),
        # Behind a proxy: the address that browsers see, see docs/public-address.md.
        public_url=environ.get("FREEIM_PUBLIC_URL", DEFAULT_PUBLIC_URL),
    )
    app = Flask(__name__, static_folder=STATIC, static_url_path="")
    app.extensions["nicks"] = Nicks(
        nicks or environ.get("FREEIM_DEMO_NICKS", ":memory:")
    )
    app.register_blueprint(ws)
    app.register_error_handler(ValueError, on_bad_input)
    app.register_error_handler(RedisError, on_redis_down)
    app.add_url_rule("/", view_func=lambda: app.send_static_file("index.html"))

    # `flask run --debug` makes the application twice, and only the child serves.
    if is_running_from_reloader() or not app.debug:
        ImHelper.event_bus(online=tell_changed, offline=tell_changed)
        # The pages have heard nothing while no WebApi was running.
        with suppress(RedisError):
            tell_changed()
    return app


def on_bad_input(error: ValueError):
    """Answers a request that ImHelper or a form refused."""
    return {"code": 1, "message": str(error)}, 400


def on_redis_down(error: RedisError):
    """Answers while Redis is away; every call ends within its deadline."""
    return {"code": 1, "message": "Redis does not answer, try again"}, 503
