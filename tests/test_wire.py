"""The payloads: golden ones, round trips, and the texts in them."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from freeim import commands
from freeim.commands import ChanMessage, DirectMessage, ForceOffline, Handover
from freeim.content import check_chan, encode_content
from freeim.dialects import DIALECTS, V1, V2
from freeim.errors import InvalidChan, InvalidMessage, WireError
from freeim.wire import PresenceEvent, Token, Wire
from freeim.wire_json import wire_text

from .running import VECTORS


WIRES = {"v1": Wire(V1), "v2": Wire(V2)}
BOTH = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)

#: Two clients of each dialect.
IDS = {
    V1: (UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff"), UUID(int=1)),
    V2: (1, 2**63 - 1),
}

TEXTS = ["", "hi", '"hi"', "你好 👋", "a\\b\n\x00\x7f\u2028", "x" * 70_000]


def in_json(body):
    return json.dumps(body).encode()


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
def test_handover_comes_back(wire):
    handover = Handover("127.0.0.1:6001:5f2b8c01d9e7a634")
    assert wire.decode_command(wire.encode_handover(handover).encode()) == handover


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


USUAL = (
    *('{"Item1":0,"Item2":[7],"Item3":"\\"hi\\"","Item4":false}',),
    *('{"Item1":1,"Item2":[9223372036854775807],"Item3":"","Item4":true}',),
    *('{"Item1":1,"Item2":[7],"Item3":"\\u4f60好\\n\\ud83d\\ude00","Item4":true}',),
    # Not of the usual form, or no message at all.
    *('{"Item1":1,"Item2":[7],"Item3":"\\ud800","Item4":true}',),
    *('{"Item1":1,"Item2":[7],"Item3":"a\nb","Item4":true}',),
    *('{"Item1":1,"Item2":[7],"Item3":"a","Item4":null}',),
    *('{"Item1":1,"Item2":[7],"Item3":"a","Item4":true} ',),
    *('{"Item1":1,"Item2":[7],"Item3":"a","Item4":true}}',),
    *('{"Item1":1,"Item2":[7],"Item3":"a","Item3":"b","Item4":true}',),
    *('{"Item1":1,"Item2":[9223372036854775808],"Item3":"a","Item4":true}',),
    *('{"Item1":01,"Item2":[7],"Item3":"a","Item4":true}',),
    *('{"Item1":1,"Item2":[٣],"Item3":"a","Item4":true}',),
    *('{"Item1":1,"Item2":[7],"Item3":"a',),
)


@pytest.mark.parametrize("name", WIRES)
@pytest.mark.parametrize("text", USUAL)
def test_the_short_way_of_reading_says_what_the_long_one_does(name, text):
    def read(way):
        try:
            return way(WIRES[name].dialect, text)
        except WireError as error:
            return str(error)

    assert read(commands._decode_direct) == read(commands._any_direct)


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
    assert WIRES["v2"].decode_ids([]) == []


@pytest.mark.parametrize(
    "odd", [b"0", b"01", b"+1", b" 1", b"1_0", b"1,2", b"", b"\xd9\xa1"]
)
def test_decode_ids_of_many_is_as_strict_as_that_of_one(odd):
    fields = [b"7", str(10**17).encode(), str(2**63 - 1).encode()]
    most = [7, 10**17, 2**63 - 1]
    assert WIRES["v2"].decode_ids(fields[:2]) == most[:2]
    for names in ([odd], [odd, *fields], [*fields, odd], [b"7", odd]):
        assert WIRES["v2"].decode_ids(names) == most[: len(names) - 1]


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
        *(float("nan"), float("inf"), {1, 2}, b"bytes", range(3), "\ud800"),
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
