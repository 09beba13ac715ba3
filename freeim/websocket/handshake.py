"""The opening handshake (RFC 6455 §4.2): a request's environ in, an answer out."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import AbstractSet, Any, List, Mapping, Tuple
from urllib.parse import parse_qs

from wsproto.utilities import generate_accept_token

from .deflate import accept_offer
from .frames import CloseReason


__all__ = ["REFUSALS", "SUBPROTOCOL", "Refusal", "Upgrade", "check_upgrade"]

VERSION = "13"

#: The sub-protocol whose offer may carry the token: `freeim, <token>`. It is the one
#: that is selected, so the token is never said back.
SUBPROTOCOL = "freeim"

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
BAD_ORIGIN = Refusal(
    "403 Forbidden",
    "pages of this origin may not connect: see allowed_origins",
    CloseReason.BAD_ORIGIN,
)


def _unavailable(text: str, seconds: int) -> Refusal:
    return Refusal(
        "503 Service Unavailable",
        text,
        CloseReason.TRY_LATER,
        [("Retry-After", str(seconds))],
    )


NO_REDIS = _unavailable("the relay cannot reach Redis", 2)
DRAINING = _unavailable("the relay is going away", 1)
BUSY = _unavailable("too many handshakes are under way", 1)
TOO_FAST = _unavailable("more connects than max_connects_per_second", 1)
FULL = _unavailable("the relay holds max_sockets, or all the files it may open", 5)
IP_FULL = _unavailable("this address holds max_sockets_per_ip", 5)
CLIENT_FULL = _unavailable("this client holds max_sockets_per_client", 5)

#: All of them, in the order in which they are looked for.
REFUSALS = (
    *(NOT_WEBSOCKET, BAD_METHOD, BODY, BAD_VERSION, BAD_KEY),
    *(BAD_ORIGIN, DRAINING, BUSY, FULL, IP_FULL, TOO_FAST),
    *(NO_REDIS, BAD_TOKEN, CLIENT_FULL),
)


@dataclass(frozen=True)
class Upgrade:
    """A request that may be upgraded once its token is accepted."""

    token: str
    key: str
    #: The Sec-WebSocket-Extensions of the response; None if there are none.
    extensions: str | None = None
    #: The Sec-WebSocket-Protocol of the response; None if ours was not offered.
    protocol: str | None = None

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
        if self.protocol is not None:
            lines.append(f"Sec-WebSocket-Protocol: {self.protocol}")
        return "\r\n".join([*lines, "", ""]).encode("ascii")


def check_upgrade(
    environ: Mapping[str, Any],
    compress: bool = False,
    origins: AbstractSet[str] = frozenset(),
) -> Upgrade | Refusal:
    """Decides on a request by its head alone; the token is only taken out of it.

    Args:
        compress: whether an offer of permessage-deflate is looked at.
        origins: those whose pages may connect, in lower case; none: all may.
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
    # Browsers always name the origin. Who does not is none, and could name any.
    origin = environ.get("HTTP_ORIGIN")
    if origins and origin is not None and origin.strip().lower() not in origins:
        return BAD_ORIGIN
    token, protocol = _token(environ.get("QUERY_STRING", "")), None
    if "HTTP_SEC_WEBSOCKET_PROTOCOL" in environ:
        offered = environ["HTTP_SEC_WEBSOCKET_PROTOCOL"]
        protocol, token = _select_protocol(offered, token)
    if not token:
        return BAD_TOKEN
    offers = environ.get("HTTP_SEC_WEBSOCKET_EXTENSIONS", "") if compress else ""
    return Upgrade(token, key, accept_offer(offers), protocol)


def _select_protocol(offered: str, token: str) -> tuple[str | None, str]:
    """Returns the protocol to select, and the token: the query's, or what is offered.

    Other protocols are ignored, as RFC 6455 §4.2.2 lets us.
    """
    offers = [offer.strip() for offer in offered.split(",")]
    if SUBPROTOCOL not in offers:
        return None, token
    behind = offers[offers.index(SUBPROTOCOL) + 1 :]
    return SUBPROTOCOL, token or (behind[0] if behind else "")


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
