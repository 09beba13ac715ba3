"""What a client's bytes ask of the relay, however they are split."""

from __future__ import annotations

import struct

import pytest

from freeim.websocket.frames import CloseReason, close_frame, pong_frame
from freeim.websocket.protocol import Protocol

from ..talk import deflated


LIMIT = 1000

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

MASK = b"\x01\x02\x03\x04"


def frame(opcode, payload=b"", fin=True, mask=MASK, rsv=0):
    """Returns a client's frame; `mask` None leaves it unmasked, which is wrong."""
    size = len(payload)
    bit = 0x80 if mask else 0
    head = struct.pack("!B", (0x80 if fin else 0) | rsv << 4 | opcode)
    if size < 126:
        head += struct.pack("!B", bit | size)
    elif size < 1 << 16:
        head += struct.pack("!BH", bit | 126, size)
    else:
        head += struct.pack("!BQ", bit | 127, size)
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def closing(code, text=b""):
    return frame(CLOSE, struct.pack("!H", code) + text)


def fed(pieces):
    """Returns a protocol that got these pieces, and all that it answered."""
    protocol = Protocol(LIMIT)
    answers = b""
    for piece in pieces:
        protocol.receive_data(piece)
        answers += protocol.data_to_send()
    return protocol, answers


def outcome(pieces):
    protocol, answers = fed(pieces)
    return protocol.fault, protocol.peer, answers


def splits(data):
    """Returns the same bytes as a whole, one by one, and in pieces of some sizes."""
    return [
        [data[at : at + size] for at in range(0, len(data), size)]
        for size in (len(data), 1, 2, 3, 7, 64)
    ]


PINGED = frame(PING, b"a") + frame(PING, b"b")

#: name -> (stream, fault, code of the peer's close frame, what is answered).
STREAMS = {
    "text": (frame(TEXT, b"hello"), None, None, b""),
    "binary": (frame(BINARY, b"\xff" * 300), None, None, b""),
    "empty messages": (frame(TEXT) + frame(BINARY), None, None, b""),
    "characters across frames": (
        frame(TEXT, b"\xe4\xbd", fin=False) + frame(CONTINUATION, b"\xa0"),
        *(None, None, b""),
    ),
    "pings": (PINGED, None, None, pong_frame(b"a") + pong_frame(b"b")),
    "longest ping": (frame(PING, b"p" * 125), None, None, pong_frame(b"p" * 125)),
    "pong": (frame(PONG, b"?"), None, None, b""),
    "empty pongs": (frame(PONG) * 3, None, None, b""),
    "empty pongs, then a ping": (
        frame(PONG) * 2 + frame(PING, b"x"),
        *(None, None, pong_frame(b"x")),
    ),
    "ping inside a fragmented message": (
        frame(TEXT, b"a", fin=False) + frame(PING, b"x") + frame(CONTINUATION, b"b"),
        *(None, None, pong_frame(b"x")),
    ),
    "message at the limit": (frame(TEXT, b"x" * LIMIT) * 3, None, None, b""),
    "fragments at the limit": (
        (frame(TEXT, b"x" * 500, fin=False) + frame(CONTINUATION, b"x" * 500)) * 3,
        *(None, None, b""),
    ),
    "close": (closing(1000, b"bye"), None, 1000, close_frame(1000)),
    "close of an application": (closing(4999), None, 4999, close_frame(4999)),
    "close without a code": (frame(CLOSE), None, 1005, close_frame(1000)),
    "ping, close": (
        frame(PING, b"x") + closing(1001),
        *(None, 1001, pong_frame(b"x") + close_frame(1001)),
    ),
    "ping after close": (
        closing(1000) + frame(PING, b"x"),
        *(None, 1000, close_frame(1000)),
    ),
    "close twice": (closing(1000) + closing(1001), None, 1000, close_frame(1000)),
    "nonsense after close": (
        closing(1000) + frame(0x3, mask=None),
        *(None, 1000, close_frame(1000)),
    ),
    "unmasked": (
        frame(TEXT, b"hello", mask=None),
        CloseReason.PROTOCOL_ERROR,
        None,
        b"",
    ),
    "unknown opcode": (frame(0x3), CloseReason.PROTOCOL_ERROR, None, b""),
    "unknown control opcode": (frame(0xB), CloseReason.PROTOCOL_ERROR, None, b""),
    "reserved bit": (frame(TEXT, b"x", rsv=4), CloseReason.PROTOCOL_ERROR, None, b""),
    "fragmented ping": (
        frame(PING, b"x", fin=False),
        *(CloseReason.PROTOCOL_ERROR, None, b""),
    ),
    "long ping": (frame(PING, b"x" * 126), CloseReason.PROTOCOL_ERROR, None, b""),
    "continuation of nothing": (
        frame(CONTINUATION, b"x"),
        *(CloseReason.PROTOCOL_ERROR, None, b""),
    ),
    "message inside a message": (
        frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
        *(CloseReason.PROTOCOL_ERROR, None, b""),
    ),
    "close with half a code": (
        frame(CLOSE, b"\x03"),
        CloseReason.PROTOCOL_ERROR,
        None,
        b"",
    ),
    "close with 1005": (closing(1005), CloseReason.PROTOCOL_ERROR, None, b""),
    "close with 999": (closing(999), CloseReason.PROTOCOL_ERROR, None, b""),
    "bad UTF-8": (frame(TEXT, b"\xff"), CloseReason.INVALID_DATA, None, b""),
    "cut UTF-8": (frame(TEXT, b"\xe4\xbd"), CloseReason.INVALID_DATA, None, b""),
    "bad UTF-8 in the close text": (
        closing(1000, b"\xff"),
        *(CloseReason.INVALID_DATA, None, b""),
    ),
    "too big": (frame(TEXT, b"x" * (LIMIT + 1)), CloseReason.TOO_BIG, None, b""),
    "too big, binary": (frame(BINARY, b"x" * 70_000), CloseReason.TOO_BIG, None, b""),
    "too big in bytes, not in characters": (
        frame(TEXT, "é".encode() * (LIMIT // 2 + 1)),
        *(CloseReason.TOO_BIG, None, b""),
    ),
    "too big in fragments": (
        frame(TEXT, b"x" * LIMIT, fin=False) + frame(CONTINUATION, b"x"),
        *(CloseReason.TOO_BIG, None, b""),
    ),
    "ping before and after a fault": (
        frame(PING, b"x") + frame(0x3) + frame(PING, b"y"),
        *(CloseReason.PROTOCOL_ERROR, None, pong_frame(b"x")),
    ),
    "ping after too big": (
        frame(TEXT, b"x" * (LIMIT + 1)) + frame(PING, b"x"),
        *(CloseReason.TOO_BIG, None, b""),
    ),
    "close after a fault": (
        frame(TEXT, b"\xff") + closing(1000),
        *(CloseReason.INVALID_DATA, None, b""),
    ),
}


@pytest.mark.parametrize("stream, fault, peer, answers", STREAMS.values(), ids=STREAMS)
def test_outcome_is_the_same_at_any_split(stream, fault, peer, answers):
    for pieces in splits(stream):
        assert outcome(pieces) == (fault, peer, answers), (
            f"in pieces of {len(pieces[0])}"
        )


@pytest.mark.parametrize("stream", [b"", b"\x81", frame(TEXT, b"x" * 500)[:-1]])
def test_half_a_frame_is_waited_for(stream):
    assert outcome([stream]) == (None, None, b"")


def test_too_big_a_message_is_found_before_it_has_come():
    protocol, _ = fed([frame(TEXT, b"x" * 1_000_000)[: LIMIT + 100]])
    assert protocol.fault is CloseReason.TOO_BIG


def test_close_received_turns_true_with_the_close_frame():
    protocol = Protocol(LIMIT)
    close = closing(1000)
    protocol.receive_data(close[:-1])
    assert not protocol.close_received
    protocol.receive_data(close[-1:])
    assert protocol.close_received


def test_data_to_send_is_handed_out_once():
    protocol = Protocol(LIMIT)
    protocol.receive_data(frame(PING, b"x"))
    assert protocol.data_to_send() == pong_frame(b"x")
    assert protocol.data_to_send() == b""


@pytest.mark.parametrize(
    "last, fault, peer",
    [
        (frame(0x3), CloseReason.PROTOCOL_ERROR, None),
        (frame(TEXT, b"x" * (LIMIT + 1)), CloseReason.TOO_BIG, None),
        (closing(1000), None, 1000),
    ],
)
def test_nothing_is_read_after_the_end(last, fault, peer):
    protocol, _ = fed([last])
    protocol.receive_data(frame(PING, b"x") + frame(TEXT, b"\xff") + closing(1001))
    assert (protocol.fault, protocol.peer) == (fault, peer)
    assert protocol.data_to_send() == b""


@pytest.mark.parametrize("mask", [b"\x00" * 4, b"\xff" * 4, MASK])
@pytest.mark.parametrize("count", [1, 2, 100])
def test_empty_pongs_make_no_parser(mask, count):
    protocol, _ = fed([frame(PONG, mask=mask) * count])
    assert protocol._connection is None


def test_anything_else_makes_a_parser():
    protocol, _ = fed([frame(PONG), frame(TEXT, b"x")])
    assert protocol._connection is not None


HELLO = bytes.fromhex("f2 48 cd c9 c9 07 00")


@pytest.mark.parametrize(
    "stream, deflates, fault",
    [
        (frame(TEXT, HELLO, rsv=4), False, CloseReason.PROTOCOL_ERROR),
        (frame(TEXT, HELLO, rsv=4), True, None),
        (frame(TEXT, b"plain") * 2, True, None),
        (frame(TEXT, b"x" * (LIMIT + 1)), True, CloseReason.TOO_BIG),
        (frame(TEXT, HELLO[1:], rsv=4), True, CloseReason.INVALID_DATA),
        (frame(PING, b"x", rsv=4), True, CloseReason.PROTOCOL_ERROR),
        (frame(TEXT, HELLO, rsv=2), True, CloseReason.PROTOCOL_ERROR),
    ],
)
def test_compressed_messages_are_taken_where_they_were_agreed(stream, deflates, fault):
    for pieces in splits(stream):
        protocol = Protocol(LIMIT, deflates)
        for piece in pieces:
            protocol.receive_data(piece)
        assert protocol.fault is fault


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1, 16_000_000])
def test_limit_is_of_what_a_message_becomes(size):
    stream = frame(BINARY, deflated(bytes(size)), rsv=4)
    for pieces in ([stream], splits(stream)[-1]):
        protocol = Protocol(LIMIT, deflates=True)
        for piece in pieces:
            protocol.receive_data(piece)
        assert protocol.fault is (CloseReason.TOO_BIG if size > LIMIT else None)
