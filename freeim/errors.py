"""Everything that freeim raises on purpose.

::

    FreeIMError
    ├── ConfigurationError      also a ValueError: an option cannot be used
    ├── NotInitializedError     also a RuntimeError: ImHelper before initialization()
    ├── ForkedError             also a RuntimeError: a thread's handle used in a child
    ├── InvalidArgument         also a ValueError: refused before anything was sent
    │   ├── InvalidClientId
    │   ├── InvalidChan
    │   ├── InvalidMessage
    │   └── InvalidMetaData
    └── WireError               also a ValueError: bytes that are not FreeIM's

Redis' own failures pass through as redis-py's exceptions
(`redis.exceptions.RedisError` is their base).
"""

from __future__ import annotations

import re
from typing import Any


__all__ = [
    "ConfigurationError",
    "ForkedError",
    "FreeIMError",
    "InvalidArgument",
    "InvalidChan",
    "InvalidClientId",
    "InvalidMessage",
    "InvalidMetaData",
    "NotInitializedError",
    "WireError",
    "hide_password",
    "missing_extra",
]

#: Where a URL has its password: before the last @, or in its query. A slash, an @ or a
#: blank in one should have been escaped; it is hidden all the same.
PASSWORDS = [
    (re.compile(r"(://[^:@/]*:).*@", re.S), r"\1***@"),
    (re.compile(r"([?&]\w*password=)[^&]*"), r"\1***"),
]

#: Characters of an offending value that an error text shows.
SHOWN = 200


def shorten(value: object, limit: int = SHOWN) -> str:
    """Returns the `repr` of a value, cut after `limit` characters."""
    try:
        text = repr(value)
    except RecursionError:
        text = f"<{type(value).__name__} nested too deep to show>"
    return text if len(text) <= limit else text[:limit] + "…"


def hide_password(url: str) -> str:
    """Returns a URL without its password."""
    for pattern, replacement in PASSWORDS:
        url = pattern.sub(replacement, url)
    return url


class FreeIMError(Exception):
    """The base of all errors of this package."""


class ConfigurationError(FreeIMError, ValueError):
    """An option cannot be used; one line names it, its value and the remedy."""

    def __init__(self, name: str, value: object, remedy: str) -> None:
        super().__init__(name, value, remedy)
        self.name = name
        self.value = value
        self.remedy = remedy

    def __str__(self) -> str:
        value = self.value
        shown = hide_password(value) if isinstance(value, str) else value
        return f"{self.name}={shorten(shown)}: {self.remedy}"

    def renamed(self, name: str) -> ConfigurationError:
        """Returns the same fault under the name that the operator typed."""
        return ConfigurationError(name, self.value, self.remedy)


class NotInitializedError(FreeIMError, RuntimeError):
    """`ImHelper` was used before `ImHelper.initialization`."""

    def __str__(self) -> str:
        return (
            "ImHelper is not initialized: call "
            "ImHelper.initialization(redis='redis://…', servers=[…]) first"
        )


class ForkedError(FreeIMError, RuntimeError):
    """A subscription that was started before a fork was used in the child."""

    def __init__(
        self, started_in: int, used_in: int, started_by: str = "event_bus"
    ) -> None:
        super().__init__(started_in, used_in, started_by)
        self.started_in = started_in
        self.used_in = used_in
        self.started_by = started_by

    def __str__(self) -> str:
        what = self.started_by.replace("_", " ")
        return (
            f"this {what} was started in process {self.started_in} and its thread "
            f"did not survive the fork to {self.used_in}: call {self.started_by}() "
            "after the fork (gunicorn: in post_fork, or without --preload)"
        )


class InvalidArgument(FreeIMError, ValueError):
    """An argument was refused before anything was sent."""

    #: What the argument is, for the error text.
    what = "argument"

    def __init__(self, value: Any, expected: str) -> None:
        super().__init__(value, expected)
        self.value = value
        self.expected = expected

    def __str__(self) -> str:
        return f"invalid {self.what} {shorten(self.value)}: expected {self.expected}"


class InvalidClientId(InvalidArgument):
    """Not a client id of the dialect in use."""

    what = "client id"


class InvalidChan(InvalidArgument):
    """Not a channel name."""

    what = "channel name"


class InvalidMessage(InvalidArgument):
    """A message that cannot be sent as JSON."""

    what = "message"


class InvalidMetaData(InvalidArgument):
    """Not a text that can travel with a token."""

    what = "client meta data"


class WireError(FreeIMError, ValueError):
    """Data from Redis that is not in FreeIM's format; the data is kept."""

    def __init__(self, data: object, reason: str) -> None:
        super().__init__(data, reason)
        self.data = data
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason}: {shorten(self.data)}"


def missing_extra(part: str, extra: str, error: ImportError) -> ImportError:
    """Returns the import error that says which `pip install` mends it."""
    return ImportError(
        f"{part} needs {error.name or error}, which is not installed: "
        f"pip install 'freeim[{extra}]'",
        name=error.name,
    )
