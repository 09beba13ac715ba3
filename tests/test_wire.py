"""The payloads: golden ones, round trips, and input that is none."""

from __future__ import annotations

import json
import random
from uuid import UUID

import pytest

from freeim.dialects import DIALECTS, V1, V2
from freeim.errors import InvalidChan, InvalidMessage, WireError
from freeim.wire import (
    ChanMessage,
    DirectMessage,
    ForceOffline,
    PresenceEvent,
    Token,
    Wire,
    check_chan,
    encode_content,
    wire_text,
)

from .running import VECTORS


WIRES = {"v1": Wire(V1), "v2": Wire(V2)}
BOTH = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)

#: Two clients of each dialect.
IDS = {
    V1: (UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff"), UUID(int=1)),
    V2: (1, 2**63 - 1),
}

TEXTS = ["", "hi", '"hi"', "你好 👋", "a\\b\n\x00\x7f\u2028", "x" * 70_000]

NOT_UTF8 = [b"\xff", b'{"Item1":1,"Item2":"\xc3("}', b"__FreeIM__(ForceOffline)\x80"]

NOT_AN_OBJECT = [
    *(b"", b" ", b"hi", b"7", b"null", b"[]", b'"text"', b"{", b'{"Item1":1'),
    b"\xef\xbb\xbf{}",
    b'{"Item1":1} {}',
    b"[" * 100_000,
    b'{"Item1":' * 100_000,
    b'{"Item1":' + b"9" * 5000 + b"}",
]

BAD_TOKENS = [
    {},
    {"Item1": 0, "Item2": ""},
    {"Item1": None, "Item2": ""},
    {"Item1": True, "Item2": ""},
    {"Item1": 1.0, "Item2": ""},
    {"Item1": "1", "Item2": ""},
    {"Item1": [1], "Item2": ""},
    {"Item1": 2**63, "Item2": ""},
    {"Item1": 1, "Item2": 5},
    {"Item1": 1, "Item2": ["x"]},
]

BAD_DIRECT = [
    {},
    {"Item2": [1], "Item3": ""},
    {"Item1": 1, "Item3": ""},
    {"Item1": 1, "Item2": [2]},
    {"Item1": -1, "Item2": [2], "Item3": ""},
    {"Item1": None, "Item2": [2], "Item3": ""},
    {"Item1": 1, "Item2": 2, "Item3": ""},
    {"Item1": 1, "Item2": None, "Item3": ""},
    {"Item1": 1, "Item2": {"2": 0}, "Item3": ""},
    {"Item1": 1, "Item2": ["2"], "Item3": ""},
    {"Item1": 1, "Item2": [2, None], "Item3": ""},
    {"Item1": 1, "Item2": [2], "Item3": None},
    {"Item1": 1, "Item2": [2], "Item3": {"a": 1}},
    {"Item1": 1, "Item2": [2], "Item3": "\ud800"},
    {"Item1": 1, "Item2": [2], "Item3": "", "Item4": 1},
    {"Item1": 1, "Item2": [2], "Item3": "", "Item4": "true"},
]

BAD_CHAN = [
    {},
    {"Item1": 1, "Item2": "room"},
    {"Item1": "x", "Item2": "room", "Item3": ""},
    {"Item1": 1, "Item2": 5, "Item3": ""},
    {"Item1": 1, "Item2": ["room"], "Item3": ""},
    {"Item1": 1, "Item2": "\ud800", "Item3": ""},
    {"Item1": 1, "Item2": "room", "Item3": 5},
    {"Item1": 1, "Item2": "room", "Item3": "\udfff"},
]

BAD_COMMANDS = [
    b"__FreeIM__(",
    b"__FreeIM__()",
    b"__FreeIM__(Unknown){}",
    b"__FreeIM__(chanmessage){}",
    b"__FreeIM__(ChanMessage)",
    b"__FreeIM__(ChanMessage) []",
    b"__FreeIM__(ForceOffline)",
    b"__FreeIM__(ForceOffline)0",
    b"__FreeIM__(ForceOffline)-7",
    b"__FreeIM__(ForceOffline)7 ",
    b"__FreeIM__(ForceOffline)7x",
    b'__FreeIM__(ForceOffline)"7"',
]


def in_json(body):
    return json.dumps(body).encode()


def decoders(wire):
    return [wire.decode_command, wire.decode_token, wire.decode_event]


# Golden


@pytest.mark.parametrize("case", VECTORS["token"], ids=str)
def test_token_is_written_to_the_letter(case):
    wire = Wire(DIALECTS[case["dialect"]], case["path"])
    token = Token(wire.dialect.check(case["id"]), case["meta"])
    assert wire.encode_token(token) == case["value"]
    assert wire.decode_token(case["value"].encode()) == token
    assert wire.token_key("abc") == case["key_prefix"] + "abc"


@pytest.mark.parametrize("case", VECTORS["events"], ids=str)
def test_event_is_read_as_csharp_and_we_write_it(case):
    wire = WIRES[case["dialect"]]
    expected = dict(case["event"])
    expected["client_id"] = wire.dialect.check(expected["client_id"])
    assert wire.decode_event(case["payload"].encode())._asdict() == expected
    assert case["channel"] in (wire.online_channel, wire.offline_channel)


# Round trips


@BOTH
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("receipt", [False, True])
def test_direct_message_comes_back(wire, text, receipt):
    one, other = IDS[wire.dialect]
    for message in (
        DirectMessage(one, [other, one], text, receipt),
        DirectMessage(wire.dialect.nobody, [one], text, receipt),
        DirectMessage(one, [], text, receipt),
    ):
        assert wire.decode_command(wire.encode_direct(message).encode()) == message


@BOTH
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("chan", ["room", "聊天室", "a b\n", "*", None])
def test_chan_message_comes_back(wire, text, chan):
    for sender in (wire.dialect.nobody, *IDS[wire.dialect]):
        message = ChanMessage(sender, chan, text)
        assert wire.decode_command(wire.encode_chan(message).encode()) == message


@BOTH
def test_kick_comes_back(wire):
    for client_id in IDS[wire.dialect]:
        command = ForceOffline(client_id)
        assert wire.decode_command(wire.encode_kick(command).encode()) == command


@BOTH
@pytest.mark.parametrize("meta", [*TEXTS, None])
def test_token_comes_back(wire, meta):
    for client_id in IDS[wire.dialect]:
        token = Token(client_id, meta)
        assert wire.decode_token(wire.encode_token(token).encode()) == token


@BOTH
@pytest.mark.parametrize(
    "delivered, receipt", [(True, "发送成功"), (False, "用户不在线")]
)
def test_receipt_is_a_message_from_the_receiver_to_the_sender(wire, delivered, receipt):
    receiver, sender = IDS[wire.dialect]
    payload = wire.encode_receipt(receiver, sender, '"hi"', delivered)
    message = wire.decode_command(payload.encode())
    assert message[:2] == (receiver, [sender]) and not message.receipt
    assert json.loads(message.content) == {"content": '"hi"', "receipt": receipt}
    # Unescaped and without spaces, as C# writes it.
    assert " " not in payload and receipt in payload


# What may be missing, and what may be more


@pytest.mark.parametrize("name", ["", None])
def test_empty_chan_is_read_as_everyone(name):
    body = {"Item1": 0, "Item2": name, "Item3": "1"}
    data = b"__FreeIM__(ChanMessage)" + in_json(body)
    assert WIRES["v2"].decode_command(data) == ChanMessage(0, None, "1")


def test_missing_receipt_means_none_is_wanted():
    data = in_json({"Item1": 1, "Item2": [2], "Item3": "1"})
    assert WIRES["v2"].decode_command(data) == DirectMessage(1, [2], "1", False)


def test_unknown_members_are_ignored():
    more = {"Item7": {"a": [1]}, "x": None}
    wire = WIRES["v2"]
    direct = {"Item1": 1, "Item2": [2], "Item3": "1", "Item4": True, **more}
    assert wire.decode_command(in_json(direct)) == DirectMessage(1, [2], "1", True)
    event = {"Item1": 7, "Item2": "m", "Item3": 2, **more}
    assert wire.decode_token(in_json(event)) == Token(7, "m")
    assert wire.decode_event(in_json(event)) == PresenceEvent(7, "m", 2)


def test_decode_ids_leaves_out_what_is_no_id():
    names = [b"1", b"x", b"", b"0", b"\xff", "2", b"01", str(2**63)]
    assert WIRES["v2"].decode_ids(names) == [1, 2]


# Malformed


@BOTH
@pytest.mark.parametrize(
    "data", [*NOT_UTF8, *NOT_AN_OBJECT], ids=lambda d: repr(d[:20])
)
def test_every_decoder_refuses_what_is_no_json_object(wire, data):
    for decode in decoders(wire):
        with pytest.raises(WireError) as caught:
            decode(data)
        assert str(caught.value)


@pytest.mark.parametrize("body", BAD_TOKENS, ids=str)
def test_decode_token_and_event_refuse_wrong_members(body):
    for decode in (WIRES["v2"].decode_token, WIRES["v2"].decode_event):
        with pytest.raises(WireError):
            decode(in_json(body))


@pytest.mark.parametrize("sockets", [True, 1.0, "1", [], {}])
def test_decode_event_refuses_sockets_that_are_no_number(sockets):
    with pytest.raises(WireError, match="not of type int"):
        WIRES["v2"].decode_event(in_json({"Item1": 1, "Item2": "", "Item3": sockets}))


@pytest.mark.parametrize(
    "data",
    [
        *(in_json(body) for body in BAD_DIRECT),
        *(b"__FreeIM__(ChanMessage)" + in_json(body) for body in BAD_CHAN),
        *BAD_COMMANDS,
    ],
    ids=str,
)
def test_decode_command_refuses_what_is_none(data):
    with pytest.raises(WireError):
        WIRES["v2"].decode_command(data)


@pytest.mark.parametrize("client_id", [7, "abc", "", None, "\ud800" * 32])
def test_v1_refuses_what_is_no_guid(client_id):
    wire = WIRES["v1"]
    with pytest.raises(WireError):
        wire.decode_token(in_json({"Item1": client_id, "Item2": ""}))
    body = {"Item1": client_id, "Item2": [], "Item3": ""}
    with pytest.raises(WireError):
        wire.decode_command(in_json(body))


def mutated(payload, chance):
    """Changes, drops, doubles or cuts a few bytes."""
    data = bytearray(payload)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        piece = chance.choice(
            [b"", b"\x80", b'"', b"{", b"]", b"0", b"null", b"\\ud800"]
        )
        data[at : at + chance.randrange(4)] = piece
    return bytes(data)


@BOTH
@pytest.mark.parametrize("seed", range(10))
def test_decoders_raise_wire_error_only_on_damaged_payloads(wire, seed):
    chance = random.Random(seed)
    one, other = IDS[wire.dialect]
    payloads = [
        wire.encode_direct(DirectMessage(one, [other], '"你"', True)),
        wire.encode_chan(ChanMessage(one, "room", '{"a":1}')),
        wire.encode_kick(ForceOffline(other)),
        wire.encode_token(Token(one, "m"))[:-1] + ',"Item3":1}',
    ]
    for number in range(500):
        data = mutated(payloads[number % 4].encode(), chance)
        for decode in decoders(wire):
            try:
                decode(data)
            except WireError as error:
                assert str(error)


# Parts


@pytest.mark.parametrize(
    "message, content",
    [
        ("hi", '"hi"'),
        ("你好", '"你好"'),
        (None, "null"),
        (True, "true"),
        (42, "42"),
        ({"a": [1, 2.5]}, '{"a":[1,2.5]}'),
        ((1, 2), "[1,2]"),
    ],
)
def test_encode_content_writes_json_without_spaces_or_escapes(message, content):
    assert encode_content(message) == content


@pytest.mark.parametrize(
    "message",
    [
        *(float("nan"), float("inf"), {1, 2}, b"bytes", object(), "\ud800"),
        {"a": float("-inf")},
        {"\udfff": 1},
        {(1, 2): 3},
        UUID(int=1),
    ],
    ids=str,
)
def test_encode_content_refuses_what_json_cannot_express(message):
    with pytest.raises(InvalidMessage) as caught:
        encode_content(message)
    assert caught.value.value is message


def test_encode_content_refuses_a_message_that_contains_itself():
    message = []
    message.append(message)
    with pytest.raises(InvalidMessage):
        encode_content(message)


@pytest.mark.parametrize(
    "dumped, content", [('{"a": 1}', '{"a": 1}'), (b'"\xc3\xa9"', '"é"')]
)
def test_encode_content_takes_the_text_of_another_dumps(dumped, content):
    assert encode_content("anything", lambda _: dumped) == content


@pytest.mark.parametrize("dumped", ["", "{", "NaN", '"\ud800"', b"\xff", None, 5, {}])
def test_encode_content_refuses_another_dumps_that_makes_no_json(dumped):
    with pytest.raises(InvalidMessage):
        encode_content("anything", lambda _: dumped)


@pytest.mark.parametrize("chan", ["room", "聊天室", " ", "a:b*c\n\x00", "x" * 1000])
def test_check_chan_takes_any_text(chan):
    assert check_chan(chan) == chan


@pytest.mark.parametrize("chan", ["", None, 5, b"room", ["room"], "\ud800"])
def test_check_chan_refuses_what_csharp_sends_to_everyone_and_what_is_no_text(chan):
    with pytest.raises(InvalidChan) as caught:
        check_chan(chan)
    assert caught.value.value is chan


def test_wire_text_takes_bytes_and_text():
    assert wire_text("é") == wire_text("é".encode()) == "é"


def test_wire_text_refuses_bytes_that_are_not_utf8():
    with pytest.raises(WireError, match="not UTF-8"):
        wire_text(b"\xff")
