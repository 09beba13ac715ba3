"""The address that a browser is given: its parts, and what is wrong with it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from .findings import Fault


__all__ = ["Address", "check_address", "hide_token", "read_address"]

PORTS = {"ws": 80, "wss": 443}

#: A token of ours or of C#, wherever it stands.
TOKEN = re.compile(r"[0-9A-Fa-f]{64,}")

#: The value of the parameter, whatever it is made of.
PARAMETER = re.compile(r"([?&]token=)[^&#]*")


@dataclass(frozen=True)
class Address:
    """A WebSocket's URL, taken apart."""

    url: str
    secure: bool
    host: str
    port: int
    #: Path and query, as the request asks for them.
    target: str
    #: The value of the Host header.
    authority: str
    token: str

    def __str__(self) -> str:
        return hide_token(self.url)


def hide_token(text: str) -> str:
    """Returns a text without the tokens in it."""
    return TOKEN.sub("***", PARAMETER.sub(r"\1***", text))


def read_address(url: str) -> Address:
    """Takes an address apart.

    Raises:
        Fault: if no browser would take it.
    """
    shown = hide_token(url)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Fault("address", "malformed", f"{shown}: {error}", url=shown) from error
    if parts.scheme not in PORTS:
        raise Fault("address", "scheme", f"{shown} is not ws:// or wss://", url=shown)
    if not host or re.search(r"[\s#{}]", url):
        raise Fault("address", "malformed", f"{shown} is no URL", url=shown)
    query = parse_qs(parts.query)
    found = TOKEN.search(parts.path)
    token = query.get("token", [found.group() if found else ""])[0]
    return Address(
        url=url,
        secure=parts.scheme == "wss",
        host=host,
        port=port or PORTS[parts.scheme],
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        authority=parts.netloc.rpartition("@")[2],
        token=token,
    )


def check_address(address: Address, page: str) -> str:
    """Returns what a browser on a page would say to the address before it connects.

    Args:
        page: the origin of the page, such as `https://example.com`; empty if unknown.

    Raises:
        Fault: if the browser would refuse, or look at its own machine.
    """
    kind, host = _kind(address.host), urlsplit(page).hostname or ""
    if kind == "wildcard":
        seen = f"{address} names {address.host}, where servers listen"
        raise Fault("address", "wildcard", seen, host=address.host)
    if page.startswith("https:") and not address.secure and kind != "loopback":
        seen = f"{address} is not secure, and the page is at {page}"
        raise Fault("address", "mixed", seen, page=page, authority=address.authority)
    if kind == "loopback" and host and _kind(host) != "loopback":
        seen = f"{address} is the browser's own machine, and the page is at {page}"
        raise Fault("address", "loopback", seen, host=address.host, page=page)
    if not address.token:
        raise Fault("address", "no_token", f"{address} holds no token")
    return str(address)


def _kind(host: str) -> str:
    if host == "localhost" or host.endswith(".localhost"):
        return "loopback"
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return "name"
    if number.is_unspecified:
        return "wildcard"
    return "loopback" if number.is_loopback else "number"
