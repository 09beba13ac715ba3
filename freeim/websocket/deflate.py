"""permessage-deflate (RFC 7692) as a relay needs it: one frame for all who agreed.

What the server sends never refers to an earlier message, so a message is compressed
once for all its receivers; nothing is kept for a socket between two messages.
"""

from __future__ import annotations

import re
import zlib
from codecs import getincrementaldecoder
from typing import Any, Mapping

from wsproto.extensions import Extension
from wsproto.frame_protocol import (
    CloseReason as Code,
    FrameDecoder,
    FrameProtocol,
    Opcode,
    RsvBits,
)

from .frames import text_frame


__all__ = ["Inflater", "accept_offer", "deflated_text_frame"]

NAME = "permessage-deflate"

#: RFC 7692 §6: the bit of a message's first frame that says that it is compressed.
RSV1 = 0x40

#: §7.2.1: ends each compressed message and is not sent.
TAIL = b"\x00\x00\xff\xff"

#: Base-two logarithms of the windows that zlib has, in bytes, and of the largest.
SMALLEST_WINDOW, WINDOW = 9, 15

#: zlib's level. Measured with JSON of English words: frames within a tenth of what
#: level 6 makes, and at 64 KiB an eighth of its 4 ms, in which no socket is served.
LEVEL = 1

#: Bytes from which a message is compressed. Measured as above: one of 64 bytes becomes
#: 3 % shorter, of 128 16 % or 20 bytes, half a packet's head; of 256 a third.
WORTH_IT = 256

UTF_8 = getincrementaldecoder("utf-8")

TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
OFFER = re.compile(r'(?:[^,"]|"[^"]*")+')
PARAMETER = re.compile(rf'({TOKEN})(?:[ \t]*=[ \t]*(?:({TOKEN})|"({TOKEN})"))?')

#: §7.1: the parameters that an offer may have, with the values that we can serve. A
#: smaller window for what we send is none of them: the frame would not be everybody's.
#: What the client may use is its own affair: we inflate with the largest window.
SERVED: Mapping[str, frozenset[str | None]] = {
    "server_no_context_takeover": frozenset({None}),
    "client_no_context_takeover": frozenset({None}),
    "server_max_window_bits": frozenset({str(WINDOW)}),
    "client_max_window_bits": frozenset({None, *map(str, range(8, WINDOW + 1))}),
}

ANSWER = f"{NAME}; server_no_context_takeover; client_no_context_takeover"


def accept_offer(header: str) -> str | None:
    """Returns the answer to the first offer that we can serve; None if there is none.

    Args:
        header: the request's Sec-WebSocket-Extensions, as RFC 6455 §9.1 has it.
    """
    # A quoted value is a token, which holds neither. Whoever sends that means to
    # deceive us about where an offer begins.
    if "\\" in header or header.count('"') % 2:
        return None
    for offer in OFFER.findall(header):
        name, *parameters = (part.strip(" \t") for part in offer.split(";"))
        if name != NAME:
            continue
        values = _values(parameters)
        if values is not None:
            # §7.1.2.1: who asks for a window must be told that he gets it.
            window = "server_max_window_bits"
            return f"{ANSWER}; {window}={WINDOW}" if window in values else ANSWER
    return None


def deflated_text_frame(content: bytes) -> bytes:
    """Returns a text message as one frame for those who agreed to `accept_offer`.

    It is not compressed if that is not worth it, which is for each message to decide.
    """
    size = len(content)
    if size < WORTH_IT:
        return text_frame(content)
    # Micro-optimization: a window of the message's size finds as much as the largest,
    # whose memory zlib clears first: 9 µs instead of 80 at 256 bytes, 28 instead of 90
    # at 1 KiB.
    window = min(max(SMALLEST_WINDOW, (size - 1).bit_length()), WINDOW)
    memory = min(max(1, window - 6), 8)
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -window, memory)
    payload = deflate.compress(content) + deflate.flush(zlib.Z_SYNC_FLUSH)
    payload = payload[: -len(TAIL)]
    if len(payload) >= size:
        return text_frame(content)
    frame = text_frame(payload)
    return bytes([frame[0] | RSV1]) + frame[1:]


class Inflater(Extension):
    """Inflates what a client sends, up to a limit; for wsproto's `Connection`.

    wsproto's own extension inflates all of a read at once: 16 KiB may become 16 MiB
    before anybody can count them. It also takes the rest of a message for plain text
    when a ping came in between.
    """

    name = NAME

    def __init__(self, message_limit: int) -> None:
        self._limit = message_limit
        #: Bytes that the message may still become.
        self._room = message_limit
        #: There while a compressed message comes: 40 KiB at the most.
        self._inflate: Any = None
        #: Follows the characters of a compressed text.
        self._decoder: Any = None
        #: Whether the frame that comes is part of a message.
        self._data = False

    def enabled(self) -> bool:
        return True

    def offer(self) -> bool:
        # A server makes no offers.
        return False

    def frame_inbound_header(
        self,
        proto: FrameDecoder | FrameProtocol,
        opcode: Opcode,
        rsv: RsvBits,
        payload_length: int,
    ) -> Code | RsvBits:
        self._data = not opcode.iscontrol()
        if opcode in (Opcode.TEXT, Opcode.BINARY):
            self._room = self._limit
            self._inflate = zlib.decompressobj(-WINDOW) if rsv.rsv1 else None
            self._decoder = UTF_8() if opcode is Opcode.TEXT and rsv.rsv1 else None
        elif rsv.rsv1:
            # §6.1: the first frame speaks for the message; control frames are plain.
            return Code.PROTOCOL_ERROR
        return RsvBits(True, False, False)

    def frame_inbound_payload_data(
        self, proto: FrameDecoder | FrameProtocol, data: bytes
    ) -> bytes | Code:
        if not self._data or self._inflate is None:
            return data
        return self._inflated(data)

    def frame_inbound_complete(
        self, proto: FrameDecoder | FrameProtocol, fin: bool
    ) -> bytes | Code | None:
        if not (self._data and fin) or self._inflate is None:
            return None
        last = self._inflated(TAIL)
        self._inflate = None
        return last

    def _inflated(self, data: bytes) -> bytes | Code:
        # §7.2.3.4: a client may end the stream. zlib would keep all that comes then.
        if self._inflate.eof:
            return b""
        try:
            # One more than may be: zlib stops there, whatever the rest would become.
            piece: bytes = self._inflate.decompress(data, self._room + 1)
            # wsproto looks at characters, too, but would never see those of a piece
            # that is too big: the first fault would depend on the pieces that come.
            if self._decoder is not None:
                self._decoder.decode(piece[: self._room])
        except (zlib.error, UnicodeDecodeError):
            return Code.INVALID_FRAME_PAYLOAD_DATA
        self._room -= len(piece)
        return Code.MESSAGE_TOO_BIG if self._room < 0 else piece


def _values(parameters: list[str]) -> dict[str, str | None] | None:
    """Reads an offer's parameters; None if we cannot serve it."""
    values: dict[str, str | None] = {}
    for parameter in parameters:
        match = PARAMETER.fullmatch(parameter)
        if match is None:
            return None
        name, value = match[1], match[2] or match[3]
        # §7.1: unknown ones, and one that comes twice, make an offer invalid.
        if name in values or value not in SERVED.get(name, ()):
            return None
        values[name] = value
    return values
