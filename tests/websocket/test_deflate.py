"""permessage-deflate: which offer is taken, what is sent, and what clients send."""

from __future__ import annotations

import os
import random
import time
import tracemalloc
import zlib

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate

from freeim.websocket.deflate import (
    ANSWER,
    WORTH_IT,
    Inflater,
    accept_offer,
    deflated_text_frame,
)
from freeim.websocket.frames import text_frame

from ..talk import deflated


WINDOW_ANSWER = f"{ANSWER}; server_max_window_bits=15"

CHROMIUM = "permessage-deflate; client_max_window_bits"

#: A client's mask that changes nothing.
MASK = bytes(4)

LIMIT = 1000

#: What a flush of the stream leaves at its end, and a message leaves out.
TAIL = b"\x00\x00\xff\xff"


# Negotiation


@pytest.mark.parametrize(
    "header, answer",
    [
        ("permessage-deflate", ANSWER),
        (CHROMIUM, ANSWER),
        ("permessage-deflate; client_max_window_bits=8", ANSWER),
        ('permessage-deflate; client_max_window_bits="10"', ANSWER),
        ("permessage-deflate;server_no_context_takeover", ANSWER),
        (
            "permessage-deflate ; client_no_context_takeover; server_max_window_bits = "
            "15\t",
            WINDOW_ANSWER,
        ),
        # The first that can be served, whatever stands around it.
        ("x-webkit-deflate-frame, , permessage-deflate", ANSWER),
        ('other; a="x, y; z", permessage-deflate', ANSWER),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", ANSWER),
        (f"permessage-deflate; unknown, {CHROMIUM}", ANSWER),
        ("permessage-deflate; server_max_window_bits=15, " + CHROMIUM, WINDOW_ANSWER),
        (CHROMIUM + ", permessage-deflate; server_max_window_bits=15", ANSWER),
    ],
)
def test_first_offer_that_can_be_served_is_taken(header, answer):
    assert accept_offer(header) == answer


@pytest.mark.parametrize(
    "header",
    [
        "",
        ",",
        "permessage-bzip2",
        "permessage-deflates",
        "permessage-deflate=1",
        "permessage-deflate;",
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=08",
        "permessage-deflate; client_max_window_bits=+9",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; client_max_window_bits 10",
        "permessage-deflate client_max_window_bits",
        # A smaller window than that of the frame for all.
        "permessage-deflate; server_max_window_bits=14",
        "permessage-deflate; server_max_window_bits=8",
        # It stands inside a text.
        'other; a="x, permessage-deflate, y"',
        'other; a="x\\", permessage-deflate, "y"',
        'other; a="x, permessage-deflate',
    ],
)
def test_offer_that_cannot_be_served_is_declined(header):
    assert accept_offer(header) is None


def test_answer_is_that_of_the_first_good_offer_among_random_ones():
    dice = random.Random(1)
    answers = set()
    for _ in range(3000):
        offers = [_random_offer(dice) for _ in range(dice.randint(0, 4))]
        header = _spaced(dice, ",", [text for text, _ in offers])
        expected = next((answer for _, answer in offers if answer), None)
        assert accept_offer(header) == expected, header
        answers.add(expected)
    assert answers == {None, ANSWER, WINDOW_ANSWER}


GOOD = {
    "server_no_context_takeover": [""],
    "client_no_context_takeover": [""],
    "server_max_window_bits": ["=15", '="15"'],
    "client_max_window_bits": ["", "=8", '="9"', "=12", "=15"],
}

BAD = [
    *("server_no_context_takeover=1", "client_no_context_takeover=15", "x", "x=1"),
    *("server_max_window_bits", "server_max_window_bits=7", "", "=15", "a b", 'a="'),
    *("server_max_window_bits=9", "client_max_window_bits=16", 'x="1;2"', 'x="1,2"'),
]


def _random_offer(dice):
    """Returns an offer, and the answer to it if it can be served."""
    names = dice.sample(list(GOOD), dice.randint(0, 4))
    parameters = [name + dice.choice(GOOD[name]) for name in names]
    window = "server_max_window_bits" in names
    answer = WINDOW_ANSWER if window else ANSWER
    fault = dice.randint(0, 3)
    # A lone quote makes all of the header doubtful.
    bad = [one for one in BAD if one.count('"') != 1]
    if fault == 0:
        parameters.insert(dice.randint(0, len(parameters)), dice.choice(bad))
        answer = None
    elif fault == 1 and parameters:
        parameters.append(dice.choice(parameters))
        answer = None
    name = dice.choice(["permessage-deflate"] * 3 + ["x-deflate"])
    if name != "permessage-deflate":
        answer = None
    return _spaced(dice, ";", [name, *parameters]), answer


def _spaced(dice, separator, parts):
    return separator.join(
        dice.choice(("", " ", "\t ")) + part + dice.choice(("", " ")) for part in parts
    )


def test_any_text_is_answered_or_declined_and_soon():
    dice = random.Random(2)
    pieces = ["permessage-deflate", *GOOD, *BAD, *'",;= \\\t\x00é', "=15"]
    for _ in range(3000):
        header = "".join(dice.choices(pieces, k=dice.randint(0, 12)))
        assert accept_offer(header) in (None, ANSWER, WINDOW_ANSWER)
    begin = time.monotonic()
    for piece in ['"', '\\"', ",", ";", "=", 'a="', "a=", "permessage-deflate;", "a "]:
        accept_offer(piece * (64_000 // len(piece)))
        accept_offer(piece * (64_000 // len(piece)) + '"')
    # Each is linear in its size: a quadratic one takes minutes.
    assert time.monotonic() - begin < 5


# What the relay sends


def client_of(answer=ANSWER):
    """Returns a client that has agreed to an answer."""
    extension = PerMessageDeflate()
    extension.finalize(answer)
    return Connection(ConnectionType.CLIENT, [extension])


def messages(connection, data):
    """Returns the whole messages in some bytes; a fault's code in place of the rest."""
    connection.receive_data(data)
    found, whole = [], True
    for event in connection.events():
        if isinstance(event, CloseConnection):
            return [*found, event.code]
        if isinstance(event, (TextMessage, BytesMessage)):
            if whole:
                found.append(event.data)
            else:
                found[-1] += event.data
            whole = event.message_finished
    return found


#: Around the sizes at which the frame's head, the window and zlib's memory change.
SIZES = sorted(
    {0, 1, 125, 126, WORTH_IT - 1, WORTH_IT, 70_000, 300_000}
    | {(1 << bits) + more for bits in range(8, 17) for more in (-1, 0, 1)}
)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("answer", [ANSWER, WINDOW_ANSWER])
def test_client_reads_what_was_compressed(size, answer):
    texts = [_json(size), "x" * size, _noise(size)]
    client = client_of(answer)
    # One client, so that each message follows another.
    for text in [*texts, *texts]:
        frame = deflated_text_frame(text.encode())
        assert len(frame) <= len(text_frame(text.encode()))
        assert messages(client, frame) == [text]


def _json(size):
    words = ("the", "relay", "消息", '{"type":"chat","text":"', "of", "a", "room", "é")
    text = " ".join(random.Random(size).choices(words, k=size // 2))
    return text.encode()[:size].decode(errors="ignore")


def _noise(size):
    return os.urandom(size)[: size // 2].hex()


def test_short_message_and_one_without_gain_stay_as_they_are():
    short = b"x" * (WORTH_IT - 1)
    assert deflated_text_frame(short) == text_frame(short)
    # Every byte once: there is nothing to be found.
    noise = os.urandom(5000)
    assert deflated_text_frame(noise) == text_frame(noise)


def test_compressed_frame_is_one_final_text_frame_without_the_tail():
    content = _json(4000).encode()
    frame = deflated_text_frame(content)
    assert frame[0] == 0x80 | 0x40 | 0x1
    assert frame[1] == 126
    assert len(frame) == 4 + int.from_bytes(frame[2:4], "big") < len(content) / 2
    assert not frame.endswith(TAIL)
    inflate = zlib.decompressobj(-15)
    assert inflate.decompress(frame[4:] + TAIL) == content


def test_frame_is_the_same_for_all_and_does_not_depend_on_others():
    one, other = _json(2000).encode(), _json(3000).encode()
    frame = deflated_text_frame(one)
    deflated_text_frame(other)
    assert deflated_text_frame(one) == frame


# What clients send


def received(*frames, limit=LIMIT):
    return messages(
        Connection(ConnectionType.SERVER, [Inflater(limit)]), b"".join(frames)
    )


def frame(first, payload):
    """Returns a client's frame, whose first byte is given."""
    size = len(payload)
    if size < 126:
        return bytes([first, 0x80 | size]) + MASK + payload
    return bytes([first, 0x80 | 126]) + size.to_bytes(2, "big") + MASK + payload


#: RFC 7692 §7.2.3, by its section.
HELLO = "f2 48 cd c9 c9 07 00"
EXAMPLES = {
    "1, one frame": [(0xC1, HELLO)],
    "1, fragments": [(0x41, "f2 48 cd"), (0x80, "c9 c9 07 00")],
    "3, not compressed": [(0xC1, "00 05 00 fa ff 48 65 6c 6c 6f 00")],
    "4, final block": [(0xC1, "f3 48 cd c9 c9 07 00 00")],
    "5, two blocks": [(0xC1, "f2 48 05 00 00 00 ff ff ca c9 c9 07 00")],
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of_the_rfc_are_understood(name):
    stream = b"".join(
        frame(first, bytes.fromhex(payload)) for first, payload in EXAMPLES[name]
    )
    hello = frame(0xC1, bytes.fromhex(HELLO))
    # And leave nothing behind for the next one.
    assert received(stream, hello) == ["Hello", "Hello"]
    connection = Connection(ConnectionType.SERVER, [Inflater(LIMIT)])
    pieces = [messages(connection, bytes([byte])) for byte in stream]
    assert "".join(text for piece in pieces for text in piece) == "Hello"


def test_empty_message_is_understood():
    # §7.2.3.6.
    assert received(frame(0xC1, b"\x00"), frame(0xC1, bytes.fromhex(HELLO))) == [
        "",
        "Hello",
    ]


def test_reference_to_an_earlier_message_is_a_fault():
    # §7.2.3.2: we asked for no context takeover.
    hello = frame(0xC1, bytes.fromhex(HELLO))
    assert received(hello, frame(0xC1, bytes.fromhex("f2 00 11 00 00"))) == [
        "Hello",
        1007,
    ]


@pytest.mark.parametrize(
    "frames, code",
    [
        ([(0x41, deflated(b"ab")[:2]), (0xC0, deflated(b"ab")[2:])], 1002),
        ([(0xC9, b"ping")], 1002),
        ([(0xA1, b"another reserved bit")], 1002),
        ([(0xC1, b"\xff\xff")], 1007),
        ([(0xC1, deflated(b"\xff"))], 1007),
        ([(0xC1, deflated(b"x" * (LIMIT + 1)))], 1009),
        ([(0xC2, deflated(bytes(LIMIT + 1)))], 1009),
        ([(0x42, deflated(bytes(900)) + TAIL), (0x80, deflated(bytes(101)))], 1009),
    ],
)
def test_fault_is_told_by_its_code(frames, code):
    assert received(*(frame(*one) for one in frames))[-1] == code


def test_message_of_the_limit_is_taken_again_and_again():
    whole = frame(0xC1, deflated(b"x" * LIMIT))
    assert received(*[whole] * 3) == ["x" * LIMIT] * 3


def test_plain_messages_pass_between_compressed_ones():
    plain, packed = frame(0x81, b"plain"), frame(0xC1, deflated(b"packed"))
    assert received(plain, packed, plain) == ["plain", "packed", "plain"]


def test_ping_inside_a_compressed_message_changes_nothing():
    packed = deflated(b"packed and packed")
    parts = [frame(0x41, packed[:4]), frame(0x89, b"?"), frame(0x80, packed[4:])]
    assert "".join(received(*parts)) == "packed and packed"


@pytest.mark.parametrize("answer", [ANSWER, WINDOW_ANSWER])
def test_what_another_library_compresses_is_understood(answer):
    dice = random.Random(3)
    client = client_of(answer)
    server = Connection(ConnectionType.SERVER, [Inflater(100_000)])
    for _ in range(300):
        text = _json(dice.choice((0, 10, 300, 5000, 60_000)))
        cut = dice.randint(0, len(text))
        data = client.send(TextMessage(text[:cut], message_finished=False))
        data += client.send(dice.choice((Ping(b"?"), Pong(b""))))
        data += client.send(TextMessage(text[cut:]))
        at = dice.randint(0, len(data))
        got = messages(server, data[:at]) + messages(server, data[at:])
        assert "".join(got) == text


def test_any_bytes_are_a_message_or_a_fault():
    dice = random.Random(4)
    packed = deflated(_json(500).encode())
    for _ in range(3000):
        changed = bytearray(packed)
        for _ in range(dice.randint(1, 5)):
            changed[dice.randrange(len(changed))] = dice.randrange(256)
        for got in received(frame(0xC1, bytes(changed))):
            assert isinstance(got, str) or got in (1007, 1009)


def test_bomb_is_never_inflated_beyond_the_limit():
    bomb = deflated(bytes(16_000_000))
    assert len(bomb) < 16_384
    stream = frame(0xC2, bomb)
    connection = Connection(ConnectionType.SERVER, [Inflater(64 * 1024)])
    tracemalloc.start()
    try:
        assert messages(connection, stream) == [1009]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 500_000


def test_nothing_is_kept_of_what_follows_the_end_of_a_stream():
    connection = Connection(ConnectionType.SERVER, [Inflater(LIMIT)])
    final = bytes.fromhex("f3 48 cd c9 c9 07 00")
    assert messages(connection, frame(0x41, final)) == ["Hello"]
    tracemalloc.start()
    try:
        for _ in range(200):
            messages(connection, frame(0x00, bytes(10_000)))
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept < 100_000
    assert messages(connection, frame(0x80, b"")) == [""]
