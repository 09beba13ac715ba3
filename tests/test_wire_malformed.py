"""Input that is no payload: every decoder raises `WireError`, and nothing else."""

from __future__ import annotations

import json
import random
from uuid import UUID

import pytest

from freeim.commands import ChanMessage, DirectMessage, ForceOffline
from freeim.dialects import V1, V2
from freeim.errors import WireError
from freeim.wire import Token, Wire


WIRES = {"v1": Wire(V1), "v2": Wire(V2)}
BOTH = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)

#: Two clients of each dialect.
IDS = {
    V1: (UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff"), UUID(int=1)),
    V2: (1, 2**63 - 1),
}

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


def test_decode_command_says_that_it_does_not_know_a_command():
    with pytest.raises(WireError, match="^unknown command: '__FreeIM__"):
        WIRES["v2"].decode_command(b"__FreeIM__(Later){}")


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
