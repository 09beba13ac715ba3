"""How much a client may send: the sizes of its messages, the rate of its frames.

Both are judged by a frame's head, before anything of its payload is read or kept, so
the verdict on a stream does not depend on the pieces in which it comes.
"""

from __future__ import annotations

from math import inf

from wsproto.extensions import Extension
from wsproto.frame_protocol import (
    CloseReason as Code,
    FrameDecoder,
    FrameProtocol,
    Opcode,
    RsvBits,
)


__all__ = ["Allowance", "Limits"]

NO_BITS = RsvBits(False, False, False)


class Allowance:
    """How many frames a client may still send: a second's worth at the most."""

    __slots__ = ("_left", "_rate", "_renewed_at")

    def __init__(self, rate: int, now: float) -> None:
        """Takes the frames of a second; 0 allows any number."""
        self._rate = self._left = float(rate or inf)
        self._renewed_at = now

    def renew(self, now: float) -> None:
        """Adds what the time since the last call is worth."""
        if self._left < self._rate:
            earned = (now - self._renewed_at) * self._rate
            self._left = min(self._left + earned, self._rate)
        self._renewed_at = now

    def take(self, frames: int) -> bool:
        """Counts frames; tells whether they were allowed."""
        self._left -= frames
        return self._left >= 0


class Limits(Extension):
    """Refuses frames that are too many, too long or out of place, by their heads.

    wsproto hands a frame out in the pieces that come and knows no limit, so without it
    a frame of 2 GiB would be noticed late and a flood of empty ones not at all. That
    a limit is an extension is wsproto's way to show heads; it is not negotiated.
    """

    name = "limits"

    def __init__(self, message_limit: int, allowance: Allowance) -> None:
        self._limit = message_limit
        self._allowance = allowance
        #: Bytes of the message that have come with whole frames, and of the part of it
        #: that comes.
        self._size = self._part = 0
        #: Whether a message is under way, and whether the frame that comes is no part.
        self._under_way = self._control = False
        #: What a message may take on its way.
        self._room = message_limit
        #: Whether the head was counted: wsproto shows one again that came in pieces.
        self._counted = False

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
        if not self._counted and not self._allowance.take(1):
            return Code.POLICY_VIOLATION
        self._counted = True
        self._control = opcode.iscontrol()
        if self._control:
            # Its size is wsproto's affair, and it may stand inside a message.
            return NO_BITS
        # wsproto finds out by the payload, which an extension may have refused then.
        if self._under_way is not (opcode is Opcode.CONTINUATION):
            return Code.PROTOCOL_ERROR
        if not self._under_way:
            # What cannot be compressed becomes longer by a block's head of 5 bytes for
            # every few KiB; many blocks of nothing are an attack.
            slack = 64 + self._limit // 64 if rsv.rsv1 else 0
            self._room = self._limit + slack
        self._part = payload_length
        return Code.MESSAGE_TOO_BIG if self._size + self._part > self._room else NO_BITS

    def frame_inbound_complete(
        self, proto: FrameDecoder | FrameProtocol, fin: bool
    ) -> None:
        self._counted = False
        if not self._control:
            self._under_way = not fin
            self._size = 0 if fin else self._size + self._part
