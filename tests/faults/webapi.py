"""A synchronous Flask application that uses the helper, for gunicorn to run."""

from __future__ import annotations

import os
import time

from flask import Flask

from freeim import ImClient


#: The environment's names of Redis' URL, and of whether to use it before the fork.
REDIS, EARLY = "WEBAPI_REDIS", "WEBAPI_EARLY"

SERVERS = ["127.0.0.1:6001"]


def create_app():
    client = ImClient(redis=os.environ[REDIS], servers=SERVERS)
    if os.environ.get(EARLY):
        client.get_chan_list()
    app = Flask(__name__)

    @app.get("/plain")
    def plain():
        return {"pid": os.getpid()}

    @app.get("/send")
    def send():
        begin, error = time.monotonic(), None
        try:
            client.send_message(0, 1, "x")
        except Exception as caught:
            kind = type(caught)
            error = f"{kind.__module__}.{kind.__qualname__}"
        seconds = time.monotonic() - begin
        return {"pid": os.getpid(), "seconds": seconds, "error": error}

    @app.get("/chans/<int:client_id>/<int:times>")
    def chans(client_id, times):
        chans = [client.get_chan_list_by_client_id(client_id) for _ in range(times)]
        return {"pid": os.getpid(), "chans": chans}

    return app
