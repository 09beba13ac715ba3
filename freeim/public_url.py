"""The addresses that browsers are given: templates, one for all nodes or one each."""

from __future__ import annotations

import re
from typing import Any, Mapping, Sequence, Union
from urllib.parse import urlsplit


__all__ = ["PublicUrl", "address_of", "check_addresses", "check_template"]

#: One template, or server → template.
PublicUrl = Union[str, Mapping[str, str]]

EXAMPLE = "wss://im.example.com/{server}{path}?token={token}"

#: Stands for a token in addresses that are only looked at.
SAMPLE = "0123456789abcdef" * 8


def check_template(template: Any) -> str:
    """Returns a template that holds a token and is a WebSocket's.

    Raises:
        ValueError: with the remedy.
    """
    if not isinstance(template, str):
        raise ValueError(
            f"give a template such as {EXAMPLE}, or a mapping of server names to such "
            "templates"
        )
    try:
        url = template.format(server="s", path="/p", token=SAMPLE)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"give a template with {{server}}, {{path}} and {{token}} only, such as "
            f"{EXAMPLE}"
        ) from error
    if not url.startswith(("ws://", "wss://")):
        raise ValueError(
            f"give a template that begins with wss://, or ws:// where pages come by "
            f"http://, such as {EXAMPLE}"
        )
    if SAMPLE not in url:
        raise ValueError(f"give a template with {{token}}, such as {EXAMPLE}")
    return template


def address_of(public_url: PublicUrl, server: str, path: str, token: str) -> str:
    """Returns the address of one node for one token."""
    template = public_url if isinstance(public_url, str) else public_url[server]
    return template.format(server=server, path=path, token=token)


def check_addresses(public_url: PublicUrl, servers: Sequence[str], path: str) -> None:
    """Looks at the addresses of all nodes.

    Raises:
        ValueError: with the remedy, if one is missing or no URL, or if two nodes have
            the same.
    """
    found: dict[str, str] = {}
    for server in servers:
        if not isinstance(public_url, str) and server not in public_url:
            raise ValueError(f"add a template for {server!r}")
        url = address_of(public_url, server, path, SAMPLE)
        fault = _fault(url)
        if fault:
            shown = url.replace(SAMPLE, "…")
            raise ValueError(f"{shown!r}, the address of {server!r}, {fault}")
        if url in found:
            raise ValueError(
                f"{found[url]!r} and {server!r} have the same address, but each client "
                f"must reach its own node: use {{server}}, such as {EXAMPLE}, or map "
                "each server to a template of its own"
            )
        found[url] = server


def _fault(url: str) -> str | None:
    """Returns what a browser would not take, and the remedy."""
    odd = re.search(r"[\s#]", url)
    if odd:
        return f"holds {odd.group()!r}: no URL of a WebSocket does; name it otherwise"
    try:
        parts = urlsplit(url)
        # Reading the port raises where it is none.
        usable = parts.port != 0 and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        return "is no URL: give host:port, an IPv6 address in brackets, [::1]:6001"
    return None
