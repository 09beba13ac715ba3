"""Functions that check one option each.

They take the text of an environment variable or of a command line as well as a value
from code, return what the option holds then, and raise `ValueError` with the remedy.
"""

from __future__ import annotations

import math
from typing import Any, Callable, Mapping

from .dialects import DIALECTS, PARTITIONS, Dialect
from .public_url import check_template
from .redis_url import read_url
from .websocket.address import Proxies


def redis_url(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("give a URL, as a text")
    read_url(value)
    return value


def redis(value: Any) -> Any:
    """Lets an open client pass beside a URL."""
    return value if hasattr(value, "pipeline") else redis_url(value)


def servers(value: Any) -> tuple[str, ...]:
    remedy = (
        "name every relay node in the order that all parts share, "
        "such as 127.0.0.1:6001,127.0.0.1:6002"
    )
    try:
        names = value.split(",") if isinstance(value, str) else list(value or ())
    except TypeError as error:
        raise ValueError(remedy) from error
    names = [name.strip() if isinstance(name, str) else name for name in names]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(remedy)
    if len(set(names)) < len(names):
        raise ValueError("name each relay node once")
    return tuple(names)


def path(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/") or "?" in value:
        raise ValueError("give the WebSocket's path, such as /ws")
    return value


def dialect(value: Any) -> Dialect:
    if isinstance(value, Dialect):
        return value
    if not isinstance(value, str) or value not in DIALECTS:
        raise ValueError(f"choose one of {', '.join(sorted(DIALECTS))}")
    return DIALECTS[value]


def partition(value: Any) -> str:
    if not isinstance(value, str) or value not in PARTITIONS:
        raise ValueError(f"choose one of {', '.join(sorted(PARTITIONS))}")
    return value


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("give a text")
    return value


def number(kind: type[Any], least: float, what: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        remedy = f"give {what}, {least:g} or more"
        if isinstance(value, bool):
            raise ValueError(remedy)
        try:
            converted = kind(value)
            finite = math.isfinite(converted)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(remedy) from error
        rounded = not isinstance(value, str) and converted != value
        if rounded or not finite or converted < least:
            raise ValueError(remedy)
        return converted

    return check


def close_code(value: Any) -> int:
    remedy = "give a close code that a server may send: 1000, 1001 or 3000 to 4999"
    try:
        code = whole_number(value)
    except ValueError as error:
        raise ValueError(remedy) from error
    if code not in (1000, 1001) and not 3000 <= code <= 4999:
        raise ValueError(remedy)
    return int(code)


def public_url(value: Any) -> str | dict[str, str]:
    if not isinstance(value, Mapping):
        return check_template(value)
    templates = {}
    for server, template in value.items():
        try:
            templates[server] = check_template(template)
        except ValueError as error:
            raise ValueError(f"{error} (the template of {server!r})") from error
    return templates


def _listed(value: Any, remedy: str) -> list[str]:
    try:
        items = value.split(",") if isinstance(value, str) else list(value or ())
        return [item.strip() for item in items if item.strip()]
    except (AttributeError, TypeError) as error:
        raise ValueError(remedy) from error


def origins(value: Any) -> tuple[str, ...]:
    remedy = (
        "name each origin as browsers do, scheme and host, with a port unless it is "
        "the scheme's own: https://im.example.com,http://localhost:8000"
    )
    listed = [origin.lower() for origin in _listed(value, remedy)]
    for origin in listed:
        scheme, separator, host = origin.partition("://")
        whole = separator and scheme and host and "/" not in host
        if "*" in origin or not (whole or origin == "null"):
            raise ValueError(remedy)
    return tuple(listed)


def proxies(value: Any) -> tuple[str, ...]:
    remedy = (
        "name the addresses or networks of your proxies, such as 10.0.0.5,10.1.0.0/16, "
        "or * if nobody else reaches the relay"
    )
    listed = _listed(value, remedy)
    try:
        Proxies(listed)
    except ValueError as error:
        raise ValueError(remedy) from error
    return tuple(listed)


def function(value: Any) -> Any:
    if value is not None and not callable(value):
        raise ValueError("give a function, or None")
    return value


def switch(value: Any) -> bool:
    known = {"on": True, "off": False, "1": True, "0": False}
    answer = value if isinstance(value, bool) else known.get(str(value).lower())
    if answer is None:
        raise ValueError("give on or off")
    return answer


whole_number = number(int, 0, "a whole number")
seconds = number(float, 0, "a number of seconds")
positive_seconds = number(float, 0.001, "a number of seconds")
cap = number(int, 0, "a whole number; 0 is no cap")
rate = number(float, 0, "a number; 0 is no cap")
byte_count = number(int, 1, "a whole number of bytes")
