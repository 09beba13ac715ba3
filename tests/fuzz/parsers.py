"""One spoilt text against each parser: a value, or its documented error."""

from __future__ import annotations

import json
import random
from collections import Counter

from freeim.commands import ChanMessage, DirectMessage
from freeim.content import check_chan
from freeim.dialects import V1, V2
from freeim.errors import InvalidChan, WireError
from freeim.websocket.handshake import Refusal, Upgrade, check_upgrade
from freeim.wire import Token, Wire

from ..running import VECTORS
from .streams import MUTATIONS


WIRES = (Wire(V2), Wire(V1))

#: Payloads of both dialects, and what begins like one.
PAYLOADS = [
    *(case["value"] for case in VECTORS["token"]),
    *(case["payload"] for case in VECTORS["events"]),
    *(case["message"] for case in VECTORS["relay"]),
    *(text for case in VECTORS["publish"] for _, text in case["out"]),
    *("", "{}", "__FreeIM__(", "__FreeIM__(ChanMessage)", "[[[[", "1e999", "-0"),
    '{"Item1":1,"Item2":[2,3],"Item3":"\\ud83d\\ude00\\u0000","Item4":true}',
    '{"Item1":1,"Item2":"\\ud800","Item3":"\\udfff","Item4":null}',
]

#: What a member may hold instead of what belongs there.
VALUES = [None, True, False, 0, 1, -1, 2**63 - 1, 2**63, 1.5, "", "x", [], [1], {}]
VALUES += ["\ud800", "\x00", [1, 2, 2], [None], "6f9619ff-8b86-d011-b42d-00c04fc964ff"]

CHANS = [
    "room",
    "é",
    "你好",
    "😀",
    "'}) redis.call('FLUSHALL') --",
    "a\r\nb",
    "\x00",
    "",
]

TOKEN = "0123456789abcdef" * 8
QUERIES = [f"token={TOKEN}", f"x=1&token={TOKEN}", "token=%41%ff%", "token=", "&&=&;"]

REQUEST = {
    "REQUEST_METHOD": "GET",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_UPGRADE": "websocket",
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
    "HTTP_SEC_WEBSOCKET_EXTENSIONS": 'permessage-deflate; client_max_window_bits="9"',
}


def check(number):
    """Spoils a text of each kind and has it read; returns how each reading ended."""
    rng = random.Random(number)
    wire = rng.choice(WIRES)
    payload = rng.choice(PAYLOADS)
    token = rng.choice(VECTORS["token"])["value"]
    payload, token = _spoilt(rng, _altered(rng, payload)), _altered(rng, token).encode()
    query = _spoilt(rng, rng.choice(QUERIES)).decode("latin-1")
    chan = _spoilt(rng, rng.choice(CHANS)).decode(errors="surrogateescape")
    return [
        f"command {_command(wire, payload)}",
        f"token {_read(wire.decode_token, token, Token)}",
        f"event {_read(wire.decode_event, _spoilt(rng, token.decode()), tuple)}",
        f"handshake {_handshake(rng, query)}",
        f"channel {_chan(wire, chan)}",
    ]


def count(numbers):
    """Checks many; returns how often each outcome came."""
    return Counter(ending for number in numbers for ending in check(number))


def _altered(rng, payload):
    """Changes a member of an object, one time of two."""
    begin = max(payload.find("{"), 0)
    try:
        body = json.loads(payload[begin:])
    except ValueError:
        return payload
    if isinstance(body, dict) and rng.random() < 0.5:
        body[rng.choice(("Item1", "Item2", "Item3", "Item4", "x"))] = rng.choice(VALUES)
    return payload[:begin] + json.dumps(body)


def _spoilt(rng, text):
    data = bytearray(text.encode())
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        if data:
            data = rng.choice(MUTATIONS)(rng, data)
    return bytes(data)


def _read(read, data, kind):
    try:
        value = read(data)
    except WireError as error:
        # What is logged of it is short, and one line.
        assert len(str(error)) < 2000 and "\n" not in str(error), data
        return "refused"
    assert isinstance(value, kind), data
    return "read"


def _command(wire, data):
    ending = _read(wire.decode_command, data, tuple)
    if ending == "read":
        command = wire.decode_command(data)
        encode = {DirectMessage: wire.encode_direct, ChanMessage: wire.encode_chan}
        again = encode.get(type(command), wire.encode_kick)(command)
        assert wire.decode_command(again.encode()) == command, data
    return ending


def _handshake(rng, query):
    environ = {**REQUEST, "QUERY_STRING": query}
    if rng.random() < 0.5:
        name = rng.choice(list(REQUEST))
        environ[name] = _spoilt(rng, REQUEST[name]).decode("latin-1")
    answer = check_upgrade(environ, compress=True)
    assert isinstance(answer, (Upgrade, Refusal)), environ
    if isinstance(answer, Upgrade):
        head = answer.response()
        # Nothing of a request may add lines to the answer.
        assert head.count(b"\r\n") == head.count(b"\n") <= 6, environ
        return "taken"
    return answer.status[:3]


def _chan(wire, chan):
    try:
        same = check_chan(chan)
    except InvalidChan as error:
        assert "\n" not in str(error), chan
        return "refused"
    assert same == chan
    command = ChanMessage(wire.dialect.nobody, chan, '"hi"')
    assert wire.decode_command(wire.encode_chan(command).encode()) == command, chan
    return "taken"
