"""The WebApi as a process, which may restart at any time: the sockets are elsewhere."""

from __future__ import annotations

import os
import signal
import threading

from flask import Blueprint, current_app

from .nodes import nodes


running = Blueprint("running", __name__, url_prefix="/api")

#: What exists in demo mode only.
demo_only = Blueprint("demo_only", __name__, url_prefix="/api")

#: Seconds that the answer to a restart has time to get out.
ANSWER_FIRST = 0.1


@running.get("/nodes")
def get_nodes():
    """Names the parts of the system, for the drawing of it."""
    return {
        "nodes": nodes(),
        "webapi": {"pid": os.getpid(), "started": current_app.config["STARTED"]},
    }


@demo_only.post("/restart")
def restart():
    """Ends the WebApi; the demo's supervisor starts it again."""
    timer = threading.Timer(ANSWER_FIRST, end_gunicorn, [os.getppid()])
    timer.daemon = True
    timer.start()
    return {}


def end_gunicorn(pid: int) -> None:
    """Asks gunicorn, whose worker we are, to end in good order."""
    # If it is gone, we have another parent, which must not be signalled.
    if pid == os.getppid():
        os.kill(pid, signal.SIGTERM)
