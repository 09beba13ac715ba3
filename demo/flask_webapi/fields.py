"""The fields of a request, checked: each getter returns what was asked for, or refuses.

A text has to be UTF-8 and has a longest length, an id is exact in JavaScript; a field
that has a default may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request

from .errors import Refused


#: The largest number that JavaScript has exactly.
LARGEST = 2**53 - 1


class Fields:
    """The fields that came with a request."""

    def __init__(self, values: Any) -> None:
        if not isinstance(values, Mapping):
            raise Refused(400, "bad_body", "expected an object of fields")
        self._values = values

    @classmethod
    def of_json(cls) -> Fields:
        """Returns those of the request's JSON body."""
        return cls(request.get_json())

    @classmethod
    def of_query(cls) -> Fields:
        """Returns those of the request's address."""
        return cls(request.args)

    @classmethod
    def of_form(cls) -> Fields:
        """Returns those of the request's form."""
        return cls(request.form)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def fields(self, name: str) -> Fields:
        """Returns the fields of a field."""
        return Fields(self._values.get(name))

    def number(self, name: str, default: int | None = None) -> int:
        """Returns a number from 0 on."""
        value = self._values.get(name, default)
        if isinstance(value, str) and value.isascii() and value.isdecimal():
            value = int(value[:20])
        # Not isinstance: True is an int to Python.
        if type(value) is not int or not 0 <= value <= LARGEST:
            raise Refused(400, "bad_field", f"{name}: expected a number")
        return value

    def text(self, name: str, longest: int, default: str | None = None) -> str:
        """Returns a text, without the space around it; it may have several lines."""
        value = self._values.get(name, default)
        if not isinstance(value, str) or not _is_utf8(value):
            raise Refused(400, "bad_field", f"{name}: expected a text")
        value = value.strip()
        if len(value) > longest or (default is None and not value):
            raise Refused(400, "bad_field", f"{name}: expected 1 to {longest} letters")
        return value

    def line(self, name: str, longest: int, default: str | None = None) -> str:
        """Returns a text of one line that can be seen: no control characters."""
        value = self.text(name, longest, default)
        if not value.isprintable():
            raise Refused(400, "bad_field", f"{name}: a character cannot be shown")
        return value


def _is_utf8(text: str) -> bool:
    # JSON can express half of a pair of surrogates; databases and sockets cannot.
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
