"""The application of `webapi.py` as gunicorn's synchronous workers run it."""

from __future__ import annotations

import contextlib
import http.client
import json

from demo.parts import GUNICORN

from ..running import Server, answers_200, clean_environ, free_port
from .webapi import REDIS


@contextlib.contextmanager
def webapi(url, *flags, **variables):
    """Runs it with four workers for a while."""
    address = f"127.0.0.1:{free_port()}"
    command = [*GUNICORN, "-k", "sync", "-w", "4", "-b", address, *flags]
    app = Server(
        "webapi",
        [*command, "tests.faults.webapi:create_app()"],
        ready=lambda: answers_200(address, "/plain"),
        environ=clean_environ(**{REDIS: url}, **variables),
    )
    app.address = address
    try:
        yield app.serve()
    finally:
        app.stop()


def get(app, path):
    """Returns the answer to a GET."""
    with contextlib.closing(
        http.client.HTTPConnection(app.address, timeout=10)
    ) as link:
        link.request("GET", path)
        return json.loads(link.getresponse().read())
