"""How much a client may send, and when it is told."""

from __future__ import annotations

import struct

import pytest

from freeim.websocket.frames import CloseReason, pong_frame
from freeim.websocket.limits import Allowance
from freeim.websocket.protocol import Protocol

from ..talk import deflated
from .test_protocol import (
    BINARY,
    CONTINUATION,
    LIMIT,
    MASK,
    PING,
    PONG,
    TEXT,
    closing,
    frame,
    splits,
)


RATE = 20


def head(opcode, size, fin=True):
    """Returns the head of a long frame, of which nothing else has come."""
    first = (0x80 if fin else 0) | opcode
    return struct.pack("!BBQ", first, 0xFF, size) + MASK


def read(stream, deflates=False):
    """Returns the fault of a stream, which is the same at any split."""
    faults = set()
    for pieces in splits(stream):
        protocol = Protocol(LIMIT, deflates, RATE)
        for piece in pieces:
            protocol.receive_data(piece)
        faults.add(protocol.fault)
    assert len(faults) == 1
    return faults.pop()


# Sizes


@pytest.mark.parametrize("size", [1 << 16, 1 << 31, (1 << 63) - 1])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_frame_that_is_too_long_is_refused_by_its_head(opcode, size):
    assert read(head(opcode, size)) is CloseReason.TOO_BIG


@pytest.mark.parametrize("size", [1 << 63, (1 << 64) - 1])
def test_a_size_of_64_bits_is_a_protocol_error(size):
    assert read(head(BINARY, size)) is CloseReason.PROTOCOL_ERROR


def test_a_fragment_that_is_too_long_with_those_before_is_refused_by_its_head():
    begin = frame(TEXT, b"x" * (LIMIT - 1), fin=False)
    assert read(begin + frame(CONTINUATION, b"xx")[:6]) is CloseReason.TOO_BIG
    assert read(begin + frame(PING, b"x" * 9) + frame(CONTINUATION, b"x")) is None


def test_each_message_is_counted_by_itself():
    whole = frame(TEXT, b"x" * LIMIT)
    parts = frame(BINARY, b"x" * 9, fin=False) + frame(CONTINUATION, b"x" * (LIMIT - 9))
    assert read(whole + parts + whole + parts) is None


def test_blocks_of_nothing_are_counted_as_they_come():
    # An empty block of deflate, again and again: the message stays empty.
    nothing = b"\x00\x00\x00\xff\xff" * 60
    begin = frame(TEXT, nothing, fin=False, rsv=4)
    more = frame(CONTINUATION, nothing, fin=False)
    assert read(begin + more * 2, deflates=True) is None
    assert read(begin + more * 3, deflates=True) is CloseReason.TOO_BIG


def test_the_first_fault_of_a_compressed_text_is_told():
    # Characters that are none, then more than may be: as when it came uncompressed.
    bad = b"x" * (LIMIT - 9) + b"\xff" + b"x" * LIMIT
    assert read(frame(TEXT, deflated(bad), rsv=4), True) is CloseReason.INVALID_DATA
    late = b"x" * (LIMIT + 9) + b"\xff"
    assert read(frame(TEXT, deflated(late), rsv=4), True) is CloseReason.TOO_BIG


# The rate


FRAMES = {
    "pings": frame(PING, b"x"),
    "pongs": frame(PONG, b"x"),
    "empty pongs": frame(PONG),
    "messages": frame(TEXT, b"x"),
    "empty messages": frame(BINARY),
}


@pytest.mark.parametrize("one", FRAMES.values(), ids=FRAMES)
def test_more_frames_than_a_second_allows_are_a_fault(one):
    assert read(one * RATE) is None
    assert read(one * (RATE + 1)) is CloseReason.POLICY


def test_fragments_are_counted():
    begin, more = frame(TEXT, fin=False), frame(CONTINUATION, fin=False)
    assert read(begin + more * (RATE - 1)) is None
    assert read(begin + more * RATE) is CloseReason.POLICY


def test_empty_pongs_count_whether_a_parser_is_there_or_not():
    assert read(frame(PONG) * 9 + frame(PING) * (RATE - 9)) is None
    assert read(frame(PONG) * 9 + frame(PING) * (RATE - 8)) is CloseReason.POLICY


def test_what_came_before_the_limit_is_answered():
    protocol = Protocol(LIMIT, frame_rate=RATE)
    protocol.receive_data(frame(PING, b"x") * (RATE + 5))
    assert protocol.data_to_send() == pong_frame(b"x") * RATE


def test_a_close_frame_within_the_limit_is_heard():
    protocol = Protocol(LIMIT, frame_rate=RATE)
    protocol.receive_data(frame(PING) * (RATE - 1) + closing(1000))
    assert (protocol.fault, protocol.peer) == (None, 1000)


def test_the_allowance_grows_with_time_up_to_a_second_of_it():
    protocol = Protocol(LIMIT, frame_rate=RATE, now=100.0)
    for now, frames in [(100.0, RATE), (100.5, RATE // 2), (200.0, RATE)]:
        protocol.receive_data(frame(PING) * frames, now)
        assert protocol.fault is None
    protocol.receive_data(frame(PING), 200.01)
    assert protocol.fault is CloseReason.POLICY


def test_no_rate_allows_any_number():
    protocol = Protocol(LIMIT)
    protocol.receive_data(frame(PING) * 10_000)
    assert protocol.fault is None


def test_an_allowance_tells_what_is_left():
    allowance = Allowance(10, 0.0)
    assert allowance.take(10)
    assert not allowance.take(1)
    allowance.renew(0.2)
    assert allowance.take(1)
    assert not allowance.take(1)
