"""What answers mean: HTTP statuses, TLS errors and close codes as kinds of faults."""

from __future__ import annotations

import errno
import json
import socket
import ssl

from ..websocket.frames import CloseReason
from ..websocket.handshake import BAD_TOKEN, DRAINING, NO_REDIS, NOT_WEBSOCKET


__all__ = [
    "address_in",
    "kind_of_close",
    "kind_of_connect_error",
    "kind_of_end",
    "kind_of_garbage",
    "kind_of_idle_end",
    "kind_of_refusal",
    "kind_of_tls_error",
]

#: Members of the application's answer that may hold the address, ours first.
ADDRESS_MEMBERS = ("server", "url")

#: (statuses, what the body holds) → (hop, kind); the first one that fits.
REFUSALS: list[tuple[range, str, tuple[str, str]]] = [
    (range(200, 300), "", ("upgrade", "page")),
    (range(300, 400), "", ("upgrade", "redirect")),
    (range(400, 401), "to https port", ("upgrade", "tls_port")),
    (range(400, 401), NOT_WEBSOCKET.text, ("upgrade", "no_upgrade")),
    (range(401, 402), BAD_TOKEN.text, ("token", "refused")),
    (range(401, 402), "", ("upgrade", "login")),
    (range(403, 404), "origin", ("upgrade", "origin")),
    (range(403, 404), "", ("upgrade", "forbidden")),
    (range(404, 405), "", ("upgrade", "not_found")),
    (range(426, 427), "", ("upgrade", "no_upgrade")),
    (range(429, 430), "", ("upgrade", "limited")),
    (range(502, 503), "", ("upgrade", "bad_gateway")),
    (range(503, 504), NO_REDIS.text, ("upgrade", "relay_without_redis")),
    (range(503, 504), DRAINING.text, ("upgrade", "draining")),
    (range(503, 504), "", ("upgrade", "unavailable")),
    (range(504, 505), "", ("upgrade", "bad_gateway")),
]

#: OpenSSL's codes of what it finds wrong with a certificate (X509_V_ERR_…).
CERTIFICATE_KINDS = {
    9: "expired",
    10: "expired",
    18: "untrusted",
    19: "untrusted",
    20: "untrusted",
    21: "untrusted",
    62: "other_name",
    63: "other_name",
    64: "other_name",
}

#: What OpenSSL says when the other side speaks something else.
NOT_TLS = {
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
    "UNKNOWN_PROTOCOL",
}

#: A TLS alert, which a port that speaks TLS answers to a request in clear.
TLS_ALERT = b"\x15\x03"

CONNECT_KINDS = {
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
}

#: Close codes that come instead of an answer to the handshake, where the 101 is out
#: before the relay has looked at the token.
CLOSE_KINDS = {
    CloseReason.BAD_TOKEN.code: ("token", "refused"),
    4403: ("upgrade", "origin"),
    CloseReason.TRY_LATER.code: ("upgrade", "relay_without_redis"),
    CloseReason.GOING_AWAY.code: ("upgrade", "draining"),
    CloseReason.PROTOCOL_ERROR.code: ("upgrade", "no_upgrade"),
}

#: Close codes that say why, wherever they come.
END_KINDS: dict[int | None, str] = {
    CloseReason.GOING_AWAY.code: "restarted",
    1012: "restarted",
}

IDLE_KINDS: dict[int | None, str] = {
    None: "cut",
    CloseReason.SILENT.code: "silent",
    **END_KINDS,
}


def address_in(body: bytes) -> str | None:
    """Returns the WebSocket's address in the application's answer.

    Raises:
        ValueError: if the answer is no JSON object.
    """
    answer = json.loads(body)
    if not isinstance(answer, dict):
        raise ValueError("not a JSON object")
    for name in ADDRESS_MEMBERS:
        if isinstance(answer.get(name), str) and answer[name]:
            return str(answer[name])
    return None


def kind_of_refusal(status: int, body: bytes) -> tuple[str, str]:
    """Returns hop and kind of an answer that is not the 101."""
    text = body.decode("utf-8", "replace").lower()
    for statuses, part, found in REFUSALS:
        if status in statuses and part.lower() in text:
            return found
    return "upgrade", "status"


def kind_of_garbage(data: bytes) -> str:
    """Returns the kind of an answer that is not HTTP, or none at all."""
    return "tls_port" if data.startswith(TLS_ALERT) else "not_http"


def kind_of_tls_error(error: OSError) -> str:
    """Returns the kind of a handshake of TLS that failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return CERTIFICATE_KINDS.get(error.verify_code, "certificate")
    if isinstance(error, ssl.SSLError) and error.reason in NOT_TLS:
        return "not_tls"
    return "broken"


def kind_of_connect_error(error: OSError) -> str:
    """Returns the kind of a connection that did not come about."""
    if isinstance(error, socket.timeout):
        return "timeout"
    return CONNECT_KINDS.get(error.errno or 0, "unreachable")


def kind_of_close(code: int | None) -> tuple[str, str]:
    """Returns hop and kind of a socket that ended right after the 101."""
    return CLOSE_KINDS.get(code or 0, ("token", "closed"))


def kind_of_end(code: int | None) -> str:
    """Returns the kind of the end of a socket that was in use."""
    return END_KINDS.get(code, "closed")


def kind_of_idle_end(code: int | None) -> str:
    """Returns the kind of the end of a socket on which nothing happened."""
    return IDLE_KINDS.get(code, "closed")
