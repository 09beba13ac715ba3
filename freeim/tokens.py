"""Tokens as an application gives them out, and the addresses that lead a client in."""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

from .dialects import ClientId
from .errors import InvalidMetaData
from .wire import Token, Wire


__all__ = ["SUBPROTOCOL", "Address", "store_token", "without_token"]

#: Characters of a token, all hexadecimal; as long as the original's.
TOKEN_LENGTH = 128

#: The sub-protocol beside which a token may be offered; the relay selects it.
SUBPROTOCOL = "freeim"


class Address(NamedTuple):
    """Where a client connects: `new WebSocket(url, protocols)`."""

    url: str
    #: Ours, and the token.
    protocols: tuple[str, str]


def store_token(
    redis: Any, wire: Wire, client_id: ClientId, meta: str | None, ttl: int
) -> str:
    """Makes a token for one socket of a client, whose id was checked; returns it.

    Raises:
        InvalidMetaData: if the meta data is no text.
    """
    if meta is not None and not isinstance(meta, str):
        raise InvalidMetaData(meta, "a text, or None")
    try:
        value = wire.encode_token(Token(client_id, meta)).encode()
    except UnicodeEncodeError as error:
        raise InvalidMetaData(meta, "a text without lone surrogates") from error
    token = secrets.token_hex(TOKEN_LENGTH // 2)
    tokens_key = wire.tokens_key(client_id)
    pipe = redis.pipeline(transaction=False)
    pipe.set(wire.token_key(token), value, ex=ttl)
    pipe.sadd(tokens_key, token)
    pipe.expire(tokens_key, ttl)
    # redis-py would write the command, token and all, into the error that it raises.
    for answer in pipe.execute(raise_on_error=False):
        if isinstance(answer, Exception):
            raise answer
    return token


def without_token(url: str) -> str:
    """Returns a URL without the token of its query."""
    place, _, query = url.partition("?")
    query = "&".join(one for one in query.split("&") if not one.startswith("token="))
    return f"{place}?{query}" if query else place
