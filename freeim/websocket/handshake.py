"""The opening handshake (RFC 6455 §4.2): a request's environ in, an answer out."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any, List, Mapping, Tuple
from urllib.parse import parse_qs

from wsproto.utilities import generate_accept_token

from .deflate import accept_offer
from .frames import CloseReason


__all__ = ["Refusal", "Upgrade", "check_upgrade"]

VERSION = "13"

Headers = List[Tuple[str, str]]


@dataclass(frozen=True)
class Refusal:
    """An answer instead of the 101.

    `close` says the same to a socket whose 101 is out already.
    """

    status: str
    text: str
    close: CloseReason
    headers: Headers = field(default_factory=list)


NOT_WEBSOCKET = Refusal(
    "400 Bad Request", "this path speaks WebSocket only", CloseReason.PROTOCOL_ERROR
)
BAD_METHOD = Refusal(
    "405 Method Not Allowed",
    "a WebSocket begins with GET",
    CloseReason.PROTOCOL_ERROR,
    [("Allow", "GET")],
)
BAD_KEY = Refusal(
    "400 Bad Request",
    "Sec-WebSocket-Key is not 16 bytes in base64",
    CloseReason.PROTOCOL_ERROR,
)
BODY = Refusal(
    "400 Bad Request", "a WebSocket request has no body", CloseReason.PROTOCOL_ERROR
)
BAD_VERSION = Refusal(
    "426 Upgrade Required",
    "WebSocket version 13 only",
    CloseReason.PROTOCOL_ERROR,
    [("Sec-WebSocket-Version", VERSION), ("Upgrade", "websocket")],
)
BAD_TOKEN = Refusal(
    "401 Unauthorized",
    "the token is missing, unknown, used or expired: "
    "get a new address from prev_connect_server",
    CloseReason.BAD_TOKEN,
)
NO_REDIS = Refusal(
    "503 Service Unavailable",
    "the relay cannot reach Redis",
    CloseReason.TRY_LATER,
    [("Retry-After", "2")],
)
DRAINING = Refusal(
    "503 Service Unavailable",
    "the relay is going away",
    CloseReason.TRY_LATER,
    [("Retry-After", "1")],
)


@dataclass(frozen=True)
class Upgrade:
    """A request that may be upgraded once its token is accepted."""

    token: str
    key: str
    #: The Sec-WebSocket-Extensions of the response; None if there are none.
    extensions: str | None = None

    @property
    def deflates(self) -> bool:
        """Whether the socket may get, and send, compressed messages."""
        return self.extensions is not None

    def response(self) -> bytes:
        """Returns the whole 101 response."""
        accept = generate_accept_token(self.key.encode("ascii")).decode("ascii")
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept}",
        ]
        if self.extensions is not None:
            lines.append(f"Sec-WebSocket-Extensions: {self.extensions}")
        return "\r\n".join([*lines, "", ""]).encode("ascii")


def check_upgrade(
    environ: Mapping[str, Any], compress: bool = False
) -> Upgrade | Refusal:
    """Decides on a request by its head alone; the token is only taken out of it.

    Args:
        compress: whether an offer of permessage-deflate is looked at.
    """
    if "websocket" not in _tokens(environ, "HTTP_UPGRADE"):
        return NOT_WEBSOCKET
    if "upgrade" not in _tokens(environ, "HTTP_CONNECTION"):
        return NOT_WEBSOCKET
    if environ.get("SERVER_PROTOCOL") != "HTTP/1.1":
        return NOT_WEBSOCKET
    if environ.get("REQUEST_METHOD") != "GET":
        return BAD_METHOD
    length = environ.get("CONTENT_LENGTH") or "0"
    if length != "0" or environ.get("HTTP_TRANSFER_ENCODING"):
        return BODY
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION", "").strip() != VERSION:
        return BAD_VERSION
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "").strip()
    if not _is_key(key):
        return BAD_KEY
    token = _token(environ.get("QUERY_STRING", ""))
    if not token:
        return BAD_TOKEN
    offers = environ.get("HTTP_SEC_WEBSOCKET_EXTENSIONS", "") if compress else ""
    return Upgrade(token, key, accept_offer(offers))


def _token(query: str) -> str:
    name, _, value = query.partition("=")
    if name == "token" and value.isalnum():
        # Micro-optimization (bench: connects): what our helper and C#'s write.
        return value
    return parse_qs(query).get("token", [""])[0]


def _tokens(environ: Mapping[str, Any], name: str) -> list[str]:
    # RFC 9110 §5.6.1: a comma-separated list, its tokens compared without case.
    return [token.strip().lower() for token in environ.get(name, "").split(",")]


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
