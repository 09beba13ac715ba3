"""What a URL of Redis says: one server, a service behind Sentinel, or a Cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Tuple
from urllib.parse import unquote


__all__ = ["Address", "RedisUrl", "has_hash_tag", "read_url"]

#: Host and port.
Address = Tuple[str, int]

#: Scheme → what is behind it, and the scheme of a single server of that system.
SCHEMES = {
    "redis": ("server", "redis"),
    "rediss": ("server", "rediss"),
    "unix": ("server", "unix"),
    "redis+sentinel": ("sentinel", "redis"),
    "rediss+sentinel": ("sentinel", "rediss"),
    "redis+cluster": ("cluster", "redis"),
    "rediss+cluster": ("cluster", "rediss"),
}

#: What is behind a URL → the path that it must have, the port where none is given,
#: and how to write it.
FORMS = {
    "sentinel": (
        re.compile(r"/(?P<service>[^/]+)(/(?P<db>\d*))?"),
        26379,
        "redis+sentinel://:PASSWORD@HOST:26379,HOST:26379/SERVICE/0",
    ),
    "cluster": (
        # A cluster has no other database.
        re.compile(r"(/(?P<db>0?))?"),
        6379,
        "redis+cluster://:PASSWORD@HOST:6379,HOST:6379",
    ),
}

ADDRESS = re.compile(r"(\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^:\[\]\s]+))(:(?P<port>\d+))?")


@dataclass(frozen=True)
class RedisUrl:
    """What a URL of Redis says.

    Attributes:
        kind: `server`, `sentinel` or `cluster`.
        server: a URL that redis-py can read; where a `sentinel` or `cluster` has to be
            asked for the address, it has none.
        witnesses: whom to ask for the address.
        service: what the sentinels call it.
    """

    kind: str
    server: str
    witnesses: tuple[Address, ...] = ()
    service: str = ""


def read_url(url: str) -> RedisUrl:
    """Reads a URL; that of a `server` is left to redis-py.

    Raises:
        ValueError: with the remedy, if it cannot be used; the URL is not quoted.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in SCHEMES or "://" not in url:
        known = ", ".join(f"{one}://" for one in SCHEMES)
        raise ValueError(f"give a URL that begins with {known}")
    kind, server_scheme = SCHEMES[scheme]
    if kind == "server":
        return RedisUrl(kind, url)
    form, default_port, example = FORMS[kind]
    head, mark, query = rest.partition("?")
    authority, slash, path = head.partition("/")
    login, at, hosts = authority.rpartition("@")
    found = form.fullmatch(slash + path)
    if found is None:
        raise ValueError(f"give a URL such as {example}, its password percent-encoded")
    witnesses = tuple(
        _address(host, default_port, example) for host in hosts.split(",")
    )
    names = found.groupdict()
    server = f"{server_scheme}://{login}{at}/{names['db'] or '0'}{mark}{query}"
    return RedisUrl(kind, server, witnesses, unquote(names.get("service") or ""))


def _address(text: str, default_port: int, example: str) -> Address:
    found = ADDRESS.fullmatch(text)
    port = int(found["port"] or default_port) if found else 0
    if found is None or not 0 < port < 65536:
        raise ValueError(f"give each address as HOST:PORT, such as {example}")
    return found["ipv6"] or found["host"], port


def has_hash_tag(prefix: str) -> bool:
    """Tells whether all keys that begin so are in one slot of a cluster."""
    # As Redis reads it: from the first { to the first } behind it, if that is not next.
    start = prefix.find("{")
    return start >= 0 and prefix.find("}", start + 1) > start + 1
