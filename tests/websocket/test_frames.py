"""Frames to the letter, and the close codes' advice."""

from __future__ import annotations

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Ping, Pong, TextMessage

from freeim.websocket.frames import (
    CloseReason,
    close_frame,
    ping_frame,
    pong_frame,
    text_frame,
)


#: RFC 6455 §7.4 and the design: codes after which a browser comes back.
COME_BACK = {1001, 1006, 1011, 1012, 1013, *range(4500, 4600)}


def read(frame):
    """Returns the one event that a client sees."""
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(frame)
    (event,) = client.events()
    return event


@pytest.mark.parametrize(
    "frame, data",
    [
        # RFC 6455 §5.7.
        (text_frame(b"Hello"), b"\x81\x05Hello"),
        (ping_frame(b"Hello"), b"\x89\x05Hello"),
        (pong_frame(b"Hello"), b"\x8a\x05Hello"),
        (text_frame(b""), b"\x81\x00"),
        (ping_frame(), b"\x89\x00"),
        (close_frame(1000), b"\x88\x02\x03\xe8"),
        (close_frame(4410, "kicked"), b"\x88\x08\x11\x3akicked"),
    ],
)
def test_frame_is_that_of_the_rfc(frame, data):
    assert frame == data


@pytest.mark.parametrize(
    "length, head",
    [
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_length_takes_the_shortest_form(length, head):
    payload = b"x" * length
    assert text_frame(payload) == head + payload


@pytest.mark.parametrize("text", ["", "hi", "你好 👋", "x" * 126, "x" * 70_000])
def test_client_reads_the_text(text):
    event = read(text_frame(text.encode()))
    assert isinstance(event, TextMessage) and event.message_finished
    assert event.data == text


@pytest.mark.parametrize("payload", [b"", b"1", b"\xff" * 125])
def test_client_reads_ping_and_pong(payload):
    assert read(ping_frame(payload)) == Ping(payload)
    assert read(pong_frame(payload)) == Pong(payload)


@pytest.mark.parametrize(
    "reason", [r for r in CloseReason if r is not CloseReason.LOST]
)
def test_client_reads_every_close_reason(reason):
    event = read(close_frame(reason.code, reason.text))
    assert isinstance(event, CloseConnection)
    assert (event.code, event.reason or "") == (reason.code, reason.text)


@pytest.mark.parametrize("text", ["x" * 200, "好" * 50, "x" + "👋" * 50])
def test_close_text_is_cut_between_characters(text):
    frame = close_frame(1000, text)
    assert 120 <= frame[1] <= 125
    assert text.startswith(read(frame).reason)


@pytest.mark.parametrize("reason", CloseReason)
def test_advice_follows_from_the_code_alone(reason):
    assert reason.reconnect == (reason.code in COME_BACK)


def test_close_codes_are_distinct():
    assert len({reason.code for reason in CloseReason}) == len(CloseReason)
