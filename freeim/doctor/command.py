"""`freeim doctor`: which hop between a page and its messages fails, why, and the fix.

Exit status: 0 if all hops are right, 1 if one failed, 2 if an option cannot be used.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import replace
from typing import Any, Callable, Mapping

from ..client import ImClient
from ..errors import ConfigurationError
from ..options import ImClientOptions
from .application import Question
from .plan import Plan
from .printing import as_json, as_lines
from .walk import walk
from .witness import Witness


__all__ = ["doctor"]


def doctor(
    url: str | None = None,
    *,
    token_from_redis: bool = False,
    helper: Mapping[str, Any] | None = None,
    server: str = "",
    method: str = "",
    data: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    origin: str = "",
    ca: str = "",
    timeout: float = 5.0,
    idle: float = 2.0,
    json_output: bool = False,
    write: Callable[[str], object] = print,
) -> int:
    """Walks the way of a page's messages; returns the exit status.

    Args:
        url: the application's endpoint that answers JSON with the address in `server`
            or `url`; it is asked by POST, or GET where the endpoint wants that.
        token_from_redis: make addresses here, for reserved clients, one a node.
        helper: options of `ImClientOptions`; with `servers` Redis is looked at, too.
        server: only this node, of those that addresses are made for.
        method, data, headers: of the request to `url`.
        origin: where pages come from; default: where `url` is.
        ca: file of certificates to trust instead of the machine's.
        timeout: seconds that one step may take.
        idle: seconds for which the socket is watched without doing anything.
        json_output: one JSON object instead of lines.

    Raises:
        ConfigurationError: if an option cannot be used.
    """
    if bool(url) == token_from_redis:
        remedy = "give the application's endpoint for addresses, or --token-from-redis"
        raise ConfigurationError("URL", url, remedy)
    question = Question(url, method, data or {}, headers or {}) if url else None
    given = {name: value for name, value in (helper or {}).items() if value}
    witness = None
    if token_from_redis or "servers" in given:
        witness = Witness(ImClient(ImClientOptions(**_read(given))))
    plan = Plan(
        question,
        witness,
        _context(ca),
        origin=origin or (question.origin if question else ""),
        timeout=timeout,
        idle=idle,
    )
    walks = []
    for name in _servers(plan, server):
        walks.append(walk(replace(plan, server=name)))
        if not json_output:
            for line in as_lines(walks[-1]):
                write(line)
    if json_output:
        write(as_json(walks))
    return 0 if all(walk.ok for walk in walks) else 1


def _read(given: Mapping[str, Any]) -> dict[str, Any]:
    """Reads a mapping of addresses, which is JSON where it is a text."""
    read = dict(given)
    public_url = read.get("public_url")
    if isinstance(public_url, str) and public_url.startswith("{"):
        try:
            read["public_url"] = json.loads(public_url)
        except ValueError as error:
            remedy = 'give a template, or JSON such as {"im-1": "wss://…"}'
            raise ConfigurationError("public_url", public_url, remedy) from error
    return read


def _context(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca or None)
    except OSError as error:
        remedy = f"give a file of certificates in PEM ({error})"
        raise ConfigurationError("--ca", ca, remedy) from error


def _servers(plan: Plan, server: str) -> tuple[str, ...]:
    if plan.question is not None or plan.witness is None:
        return ("",)
    servers: tuple[str, ...] = plan.witness.client.options.servers
    if server and server not in servers:
        remedy = f"name one of servers ({', '.join(servers)})"
        raise ConfigurationError("--server", server, remedy)
    return (server,) if server else servers
