"""Outgoing frames (RFC 6455 §5) and the close codes that the relay sends.

A server's frames are not masked, so one message is encoded once for all its receivers.
"""

from __future__ import annotations

import struct
from enum import Enum


__all__ = ["CloseReason", "close_frame", "ping_frame", "pong_frame", "text_frame"]

FIN = 0x80
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA

#: RFC 6455 §5.5: the longest payload of a control frame; a close has 2 bytes of code.
CONTROL_LIMIT = 125


class CloseReason(Enum):
    """Why a socket is closed: the code on the wire, a text, and what a browser may do.

    The advice follows from the code's range alone, never from the text: 1001, 1006,
    1011, 1012, 1013 and 4500-4599 mean "come back after a pause", all others "do not".
    """

    NORMAL = (1000, "", False)
    GOING_AWAY = (1001, "relay is going away", True)
    PROTOCOL_ERROR = (1002, "protocol error", False)
    #: Never sent: the peer was gone without a close frame.
    LOST = (1006, "connection lost", True)
    INVALID_DATA = (1007, "invalid data", False)
    POLICY = (1008, "policy violation", False)
    TOO_BIG = (1009, "message too big", False)
    INTERNAL_ERROR = (1011, "internal error", True)
    TRY_LATER = (1013, "try again later", True)
    BAD_TOKEN = (4401, "token refused", False)
    BAD_ORIGIN = (4403, "origin refused", False)
    KICKED = (4410, "kicked", False)
    #: It took nothing off its connection until its outbox was full.
    SLOW = (4508, "too slow", True)
    #: It answered no ping.
    SILENT = (4509, "no answer to ping", True)

    def __init__(self, code: int, text: str, reconnect: bool) -> None:
        self.code = code
        self.text = text
        self.reconnect = reconnect


def text_frame(content: bytes) -> bytes:
    """Returns a whole text message as one frame."""
    return _frame(TEXT, content)


def ping_frame(payload: bytes = b"") -> bytes:
    """Returns a ping; the peer answers with the same payload."""
    return _frame(PING, payload)


def pong_frame(payload: bytes) -> bytes:
    """Returns the answer to a ping."""
    return _frame(PONG, payload)


def close_frame(code: int, text: str = "") -> bytes:
    """Returns a close frame, its text cut to what a control frame may hold."""
    room = CONTROL_LIMIT - 2
    reason = text.encode()[:room].decode(errors="ignore").encode()
    return _frame(CLOSE, struct.pack("!H", code) + reason)


def _frame(opcode: int, payload: bytes) -> bytes:
    length = len(payload)
    if length <= CONTROL_LIMIT:
        head = bytes((FIN | opcode, length))
    elif length < 1 << 16:
        head = struct.pack("!BBH", FIN | opcode, 126, length)
    else:
        head = struct.pack("!BBQ", FIN | opcode, 127, length)
    return head + payload
