"""The fields of a request's form, or of its query string."""

from __future__ import annotations

from flask import request


def text_field(name: str) -> str:
    """Returns a text that must be there.

    Raises:
        ValueError: if it is missing or empty.
    """
    text = request.values.get(name, "")
    if not text.strip():
        raise ValueError(f"{name} is missing")
    return text


def id_field(name: str) -> int:
    """Returns a client id that must be there; ImHelper checks its range.

    Raises:
        ValueError: if it is missing or not a number.
    """
    text = text_field(name).strip()
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"invalid {name} {text[:50]!r}: expected a number")
    return int(text[:20])


def flag_field(name: str) -> bool:
    """Returns whether a box is ticked."""
    return request.values.get(name, "").lower() in ("true", "1", "on")
