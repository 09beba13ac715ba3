"""What a request is refused with: `{"error": "one line", "code": "a_word"}`."""

from __future__ import annotations

import logging

from flask import Flask
from redis import RedisError
from werkzeug.exceptions import HTTPException

from freeim.errors import InvalidArgument


logger = logging.getLogger(__name__)


class Refused(Exception):
    """Ends a request; `code` is a stable word that a page can translate."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


def answer_errors_as_json(app: Flask) -> None:
    """Has an application answer JSON, whatever went wrong."""
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(InvalidArgument, _bad_value)
    app.register_error_handler(RedisError, _redis_down)
    app.register_error_handler(HTTPException, _http_error)


def _refused(error: Refused):
    return {"error": str(error), "code": error.code}, error.status


def _bad_value(error: InvalidArgument):
    # ImHelper cannot use an argument; the text says which, and what was expected.
    return {"error": str(error), "code": "bad_value"}, 400


def _redis_down(error: RedisError):
    # Every call of ImHelper ends within its deadlines, so that this answer comes.
    logger.warning("Redis does not answer: %s", error)
    return {"error": "Redis does not answer, try again", "code": "redis_down"}, 503


def _http_error(error: HTTPException):
    return {"error": error.name, "code": error.name.lower().replace(" ", "_")}, (
        error.code or 500
    )
