"""The golden cases: what the helper puts on Redis, what each relay makes of it.

The cases of `partition`, `token` and `events` are in test_dialects.py and test_wire.py.
"""

from __future__ import annotations

import contextlib
import json
from uuid import UUID

import pytest
import redis

from freeim import ImHelper

from .running import VECTORS, WAYS, System


PREFIXES = {"v1": "wsim_ws", "v2": "im_v2_ws"}

CHAN_MESSAGE = "__FreeIM__(ChanMessage)"

#: A text that no case contains.
FENCE = "fence"

RECEIPT_FOR_FENCE = json.dumps(json.dumps({"content": json.dumps(FENCE)}))[1:-2]
RECEIPT_FOR_FENCE = RECEIPT_FOR_FENCE.replace(": ", ":")

#: One client who asks for receipts and one who is never there, beside the cases' own.
FENCE_SENDER = {"v2": 8001, "v1": "00000000-0000-0000-0000-0000000080aa"}
NEVER_THERE = {"v2": 8002, "v1": "00000000-0000-0000-0000-0000000080bb"}


def parsed(payload):
    """Splits an envelope into its command, to the letter, and its JSON, parsed."""
    head, brace, body = payload.partition("{")
    return head, json.loads(brace + body) if brace else None


class Listener:
    """Hears everything that is published to the servers."""

    def __init__(self, redis_url):
        self.redis = redis.Redis.from_url(redis_url)
        self.pubsub = self.redis.pubsub()
        self.pubsub.psubscribe("*Server*")
        assert self.pubsub.get_message(timeout=5)["type"] == "psubscribe"

    def take(self, count):
        """Returns the next messages as [channel, payload]."""
        taken = []
        while len(taken) < count:
            message = self.pubsub.get_message(timeout=5)
            assert message, f"only {taken} came of {count}"
            taken.append([message["channel"].decode(), message["data"].decode()])
        return taken

    def take_until(self, text):
        """Returns the messages before the one that contains a text."""
        taken = []
        while True:
            (message,) = self.take(1)
            if text in message[1]:
                return taken
            taken.append(message)

    def close(self):
        self.pubsub.close()
        self.redis.close()


@pytest.fixture
def listener(redis_url):
    listener = Listener(redis_url)
    yield listener
    listener.close()


@pytest.mark.parametrize(
    "case", VECTORS["publish"], ids=[case["name"] for case in VECTORS["publish"]]
)
def test_helper_publishes_what_csharp_would(case, redis_url, listener):
    ImHelper.initialization(
        redis=redis_url, servers=case["servers"], dialect=case["dialect"]
    )
    getattr(ImHelper, case["call"])(*case["args"])
    heard = listener.take(len(case["out"]))
    assert heard == case["out"]
    # Nothing more was published: the next message is ours.
    ImHelper.instance.redis.publish("Server", FENCE)
    assert listener.take(1) == [["Server", FENCE]]


@pytest.fixture(scope="module", params=WAYS)
def way(request):
    return request.param


@pytest.fixture(scope="module")
def running(way, shared_redis):
    """Returns a function that gives the system of a dialect, one at a time."""
    with contextlib.ExitStack() as stack:
        systems = {}

        def run(dialect):
            if dialect not in systems:
                stack.close()
                systems.clear()
                system = System(shared_redis.url, way, dialect=dialect)
                systems[dialect] = stack.enter_context(system)
                system.dialect = dialect
            return systems[dialect]

        yield run


def client_id(system, text):
    return int(text) if system.dialect == "v2" else UUID(text)


def in_json(client):
    return client if isinstance(client, int) else str(client)


def frames_before_the_fence(system, sockets, listener, server_channel):
    """Returns each socket's frames so far and what was published meanwhile.

    A relay writes in the order of its channel, so what came before a fence on a socket
    is all. It answers receipts batch by batch: the receipt for a first fence may be in
    the case's own batch, the second fence, published then, is in a later one.
    """
    del sockets["fence"]
    envelope = {
        "Item1": FENCE_SENDER[system.dialect],
        "Item2": [NEVER_THERE[system.dialect]],
        "Item3": json.dumps(FENCE),
        "Item4": True,
    }
    ours = json.dumps(envelope)
    published = []
    for _ in range(2):
        system.redis.publish(server_channel, ours)
        published += listener.take_until(RECEIPT_FOR_FENCE)
        published.remove([server_channel, ours])
    nobody = in_json(system.client.wire.dialect.nobody)
    body = {"Item1": nobody, "Item2": None, "Item3": json.dumps(FENCE)}
    system.redis.publish(server_channel, CHAN_MESSAGE + json.dumps(body))
    frames = {}
    for name, opened in sockets.items():
        frames[name] = []
        for sock in opened:
            got = iter(sock.recv, json.dumps(FENCE))
            frames[name].append(list(got))
    return frames, published


@pytest.mark.parametrize(
    "case", VECTORS["relay"], ids=[case["name"] for case in VECTORS["relay"]]
)
def test_relay_sends_and_answers_what_csharp_would(running, case, shared_redis):
    system = running(case["dialect"])
    system.redis.flushall()
    server_channel = f"{PREFIXES[system.dialect]}Server{case['servers'][0]}"
    sockets = {
        name: [system.connect(client_id(system, name)) for _ in range(count)]
        for name, count in case["sockets"].items()
    }
    fence_id = client_id(system, str(FENCE_SENDER[system.dialect]))
    sockets["fence"] = [system.connect(fence_id)]
    for chan, members in case["chans"].items():
        for member in members:
            system.client.join_chan(client_id(system, str(member)), chan)
    listener = Listener(shared_redis.url)
    try:
        system.redis.publish(server_channel, case["message"])
        assert listener.take(1) == [[server_channel, case["message"]]]
        frames, published = frames_before_the_fence(
            system, sockets, listener, server_channel
        )
    finally:
        listener.close()
    assert frames == case["frames"]
    assert [[channel, parsed(payload)] for channel, payload in published] == [
        [channel, parsed(payload)] for channel, payload in case["published"]
    ]
    system.close_sockets()
