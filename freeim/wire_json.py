"""Values of FreeIM's payloads: texts, JSON objects, and what they must be."""

from __future__ import annotations

import json
from typing import Any, Callable

from .dialects import ClientId
from .errors import InvalidArgument, WireError, shorten


__all__ = ["id_of", "json_object", "optional", "wire_text"]

#: Reads the JSON value that a text begins with, and tells where it ends.
_raw_decode = json.JSONDecoder().raw_decode


def wire_text(data: bytes | str) -> str:
    """Returns what Redis answered as a text.

    Raises:
        WireError: if it is not UTF-8.
    """
    if isinstance(data, str):
        return data
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise WireError(data, "not UTF-8") from error


def json_object(text: str) -> dict[str, Any]:
    """Returns the JSON object that a text is.

    Raises:
        WireError: if it is none.
    """
    try:
        # Micro-optimization (bench: direct): json.loads spends as much time on what may
        # stand around a value as on the value.
        body, end = _raw_decode(text)
    except (ValueError, RecursionError):
        end = -1
    if end != len(text):
        body = _loads(text)
    if not isinstance(body, dict):
        raise WireError(text, "not a JSON object")
    return body


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WireError(text, "not JSON") from error


def id_of(check: Callable[[Any], ClientId], value: Any, data: object) -> ClientId:
    """Returns an id that a dialect's `check` took.

    Raises:
        WireError: with the whole of the data, if it did not.
    """
    try:
        return check(value)
    except InvalidArgument as error:
        raise WireError(data, str(error)) from error


def optional(kind: type, value: Any, data: object) -> Any:
    """Returns a value of one type, or None.

    Raises:
        WireError: with the whole of the data, if it is another one.
    """
    if value is None or type(value) is kind:
        return value
    raise WireError(data, f"{shorten(value)} is not of type {kind.__name__}")
