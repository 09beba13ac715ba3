"""What an application may send: channel names and messages, checked beforehand."""

from __future__ import annotations

import json
from typing import Any, Callable

from .errors import InvalidChan, InvalidMessage


__all__ = ["check_chan", "compact_json", "encode_content", "is_utf8"]


def check_chan(chan: object) -> str:
    """Returns a channel name that may be used in a key.

    Raises:
        InvalidChan: if it is empty or None (which C# takes for "everyone"), no text,
            or text that UTF-8 cannot express.
    """
    if not isinstance(chan, str) or not chan or not is_utf8(chan):
        raise InvalidChan(chan, "a text that is not empty")
    return chan


def encode_content(
    message: Any, dumps: Callable[[Any], str | bytes] | None = None
) -> str:
    """Returns a message as the JSON text that the browser will get.

    Args:
        dumps: replaces `json.dumps`; what it returns must be JSON all the same.

    Raises:
        InvalidMessage: if JSON cannot express the message, NaN included.
    """
    expected = "a value that JSON can express"
    try:
        if dumps is None:
            content = compact_json(message)
        else:
            dumped = dumps(message)
            content = dumped if isinstance(dumped, str) else bytes(dumped).decode()
            json.loads(content, parse_constant=_refuse_constant)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMessage(message, f"{expected} ({error})") from error
    if not is_utf8(content):
        raise InvalidMessage(message, f"{expected} (it holds a lone surrogate)")
    return content


def compact_json(value: Any) -> str:
    """Returns JSON as it stands on the wire: no spaces, non-ASCII as it is.

    Raises:
        TypeError, ValueError, RecursionError: if JSON cannot express the value.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def is_utf8(text: str) -> bool:
    """Tells whether UTF-8 can express a text; it cannot express lone surrogates."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
