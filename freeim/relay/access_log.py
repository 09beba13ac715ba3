"""One line for each socket that ended, and for each handshake that was refused.

Neither it nor a server's own log shows a token, and no message is in any of them.
"""

from __future__ import annotations

import logging
import re
import time
from typing import Protocol

from ..dialects import ClientId
from ..websocket.address import Visitor
from ..websocket.frames import CloseReason
from ..websocket.handshake import Refusal


__all__ = ["Accountable", "hide_tokens", "log_end", "log_refusal"]

#: Its lines are INFO: a socket that begins and ends is what a relay is for.
logger = logging.getLogger("freeim.access")

#: Loggers of servers that show request lines, and so what a client sent as its token.
TALKATIVE = (
    "gunicorn.access",
    "gunicorn.error",
    "geventwebsocket.handler",
    "freeim.server",
)

#: A token in a query, or what looks like one of ours anywhere.
TOKEN = re.compile(r"(?i)(token=)[^&\s\"']+|[0-9a-f]{64,}")

#: Characters of an Origin that are shown; a client may send any text.
ORIGIN_LIMIT = 100


class Accountable(Protocol):
    """A connection, as its line tells of it."""

    client_id: ClientId
    visitor: Visitor
    opened_at: float
    reason: CloseReason | None
    close_code: int
    frames_in: int
    received: int
    frames_out: int
    sent: int


def log_end(connection: Accountable) -> None:
    """Tells how a socket ended."""
    if not logger.isEnabledFor(logging.INFO):
        return
    reason = connection.reason or CloseReason.LOST
    logger.info(
        "= %x client=%s address=%s origin=%s close=%d %s seconds=%.1f "
        "in=%d/%d out=%d/%d",
        id(connection),
        connection.client_id,
        connection.visitor.address or "-",
        _shown(connection.visitor.origin),
        connection.close_code,
        reason.name,
        time.monotonic() - connection.opened_at,
        connection.frames_in,
        connection.received,
        connection.frames_out,
        connection.sent,
    )


def log_refusal(refusal: Refusal, visitor: Visitor) -> None:
    """Tells why a handshake was refused."""
    logger.info(
        "! refused address=%s origin=%s status=%s %s",
        visitor.address or "-",
        _shown(visitor.origin),
        refusal.status.partition(" ")[0],
        refusal.text,
    )


def hide_tokens() -> None:
    """Has what servers log shown without tokens; calling it again is harmless."""
    for name in TALKATIVE:
        talkative = logging.getLogger(name)
        if hide_token not in talkative.filters:
            talkative.addFilter(hide_token)


def hide_token(record: logging.LogRecord) -> bool:
    """Takes tokens out of a record's message and lets it pass."""
    text = record.getMessage()
    hidden = TOKEN.sub(r"\1***", text)
    if hidden != text:
        record.msg, record.args = hidden, ()
    return True


def _shown(origin: str) -> str:
    # ascii() keeps a line one line, whatever was sent.
    return ascii(origin[:ORIGIN_LIMIT])[1:-1] or "-"
