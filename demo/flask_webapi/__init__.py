"""The WebApi of the demo: the business side of FreeIM, in plain synchronous Flask.

Any WSGI server runs it, such as
`gunicorn -k gthread --threads 8 'demo.flask_webapi:create_app()'`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from flask import Flask
from werkzeug.serving import is_running_from_reloader

from freeim import ImHelper
from freeim.options import DEFAULT_PUBLIC_URL

from .accounts import LOBBY, accounts
from .admin import administration
from .database import open_database
from .errors import answer_errors_as_json
from .files import files, give_up_all
from .friends import friends
from .guard import guard
from .messages import messages
from .models import now
from .original import original
from .presence import follow_events, presence
from .rooms import create_room, find_room, rooms
from .running import demo_only, running
from .secret import secret_key


STATIC = Path(__file__).resolve().parent.parent / "static"

BLUEPRINTS = (
    *(accounts, friends, messages, files, rooms),
    *(presence, administration, running, original),
)


def create_app(
    redis: str | None = None,
    servers: Sequence[str] | None = None,
    folder: str | None = None,
    demo_mode: bool | None = None,
) -> Flask:
    """Makes the application; what is not given comes from the environment.

    Args:
        redis: URL of the Redis that the relays use (FREEIM_REDIS).
        servers: names of all relays, in their order (FREEIM_SERVERS).
        folder: where the database, the files and the key of the sessions are kept
            (FREEIM_DEMO_FOLDER); Flask's instance folder without.
        demo_mode: whether a name is enough to sign in, "admin" is the administrator,
            and anybody may restart the WebApi (FREEIM_DEMO_MODE=1).
    """
    environ = os.environ
    ImHelper.initialization(
        redis=redis or environ.get("FREEIM_REDIS", "redis://127.0.0.1:6379/0"),
        servers=servers or environ.get("FREEIM_SERVERS", "127.0.0.1:6001"),
        key_prefix=environ.get("FREEIM_KEY_PREFIX", ""),
        # Behind a proxy: the address that browsers see, see docs/public-address.md.
        public_url=environ.get("FREEIM_PUBLIC_URL", DEFAULT_PUBLIC_URL),
    )
    if demo_mode is None:
        demo_mode = environ.get("FREEIM_DEMO_MODE") == "1"
    app = Flask(__name__, static_folder=STATIC, static_url_path="")
    data = Path(folder or environ.get("FREEIM_DEMO_FOLDER") or app.instance_path)
    (data / "files").mkdir(mode=0o700, parents=True, exist_ok=True)
    app.config.update(
        DEMO_MODE=demo_mode,
        STARTED=now(),
        FOLDER=data.resolve(),
        SECRET_KEY=secret_key(data / "secret-key"),
    )
    guard(app)
    answer_errors_as_json(app)
    open_database(app, data / "chat.sqlite3")
    for blueprint in (*BLUEPRINTS, *([demo_only] if demo_mode else ())):
        app.register_blueprint(blueprint)
    app.add_url_rule("/", view_func=lambda: app.send_static_file("index.html"))
    # `flask run --debug` makes the application twice, and only the child serves.
    if is_running_from_reloader() or not app.debug:
        begin(app)
    return app


def begin(app: Flask) -> None:
    """Does what comes before the first request."""
    with app.app_context():
        if find_room(LOBBY) is None:
            create_room(LOBBY, "For everybody")
        give_up_all()
    follow_events(app)
