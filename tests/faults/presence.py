"""What tests look at to know who is online, and what was said about it."""

from __future__ import annotations

import contextlib
import json
from collections import Counter

from ..running import wait_until


def online(system):
    """Returns client id -> sockets, as Redis has it."""
    counts = system.redis.hgetall(system.client.wire.online_key)
    return {int(client): int(count) for client, count in counts.items()}


@contextlib.contextmanager
def events(system, channel):
    """Gives a function that returns the events so far, as (client id, sockets)."""
    pubsub = system.redis.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe(channel, "end")
    wait_until(lambda: system.redis.pubsub_numsub("end")[0][1] == 1, "subscribed")
    heard = []

    def so_far():
        system.redis.publish("end", "")
        while True:
            message = pubsub.get_message(timeout=1)
            if message is None:
                continue
            if message["channel"] == b"end":
                return list(heard)
            event = json.loads(message["data"])
            heard.append((event["Item1"], event["Item3"]))

    with contextlib.closing(pubsub):
        yield so_far


def in_stream(system, kind):
    """Returns how often each client is in the stream with one kind."""
    entries = system.redis.xrange(system.client.wire.presence_key)
    return Counter(
        json.loads(fields[b"value"])["Item1"]
        for _, fields in entries
        if fields[b"kind"].decode() == kind
    )


def left_behind(system):
    """Returns the keys that are left but for tokens, which expire, and the stream."""
    stream = system.client.wire.presence_key
    keys = {key.decode() for key in system.redis.keys()} - {stream}
    return sorted(key for key in keys if "Token" not in key)
