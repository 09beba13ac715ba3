"""What arrives while a relay reads the members of a channel, in one batch with it."""

from __future__ import annotations

import contextlib

import pytest

from freeim.commands import Handover

from .proxy import TO_SERVER, Proxy
from .relay.test_metrics import read
from .running import System, close_code, wait_until


#: Seconds for which each request of the relay is on its way: long enough to publish.
DELAY = 0.5


@pytest.fixture
def reading(shared_redis, redis_url):
    """Returns a system whose relay is asking for the members of "room", 1 and 2."""
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(Proxy(shared_redis.port))
        relay_redis = f"redis://127.0.0.1:{proxy.port}/0"
        system = System(redis_url, "freeim relay", relay_redis=relay_redis)
        stack.enter_context(system)
        (node,) = system.nodes
        for client in (1, 2):
            system.connect(client)
            system.client.join_chan(client, "room")
        proxy.delay(DELAY, TO_SERVER)
        system.client.send_chan_message(0, "room", "first")
        wait_until(lambda: node.metric("freeim_member_lookups_total"), "it asks")
        yield system
        proxy.mend()


def batches(system):
    return read(system)["freeim_fanout_seconds_count"]


def test_messages_that_come_meanwhile_are_written_with_the_first(reading):
    before = batches(reading)
    for number in range(50):
        reading.client.send_chan_message(0, "room", number)
    for sock in reading.sockets:
        assert sock.recv() == '"first"'
        assert [sock.recv() for _ in range(50)] == [str(one) for one in range(50)]
    wait_until(lambda: batches(reading) > before, "a batch")
    assert batches(reading) == before + 1


def test_what_comes_meanwhile_keeps_its_order(reading):
    client, (first, second) = reading.client, reading.sockets
    server = client.wire.server_channel(reading.nodes[0].server_name)
    client.send_message(0, 2, "direct")
    client.send_chan_message(2, "room", "second")
    # It cuts a batch in two.
    handover = client.wire.encode_handover(Handover("a node that is none"))
    assert reading.redis.publish(server, handover) == 1
    client.send_message(2, 1, "third", receipt=True)
    client.force_offline(1)
    client.send_message(0, 2, "after the kick")
    assert [first.recv() for _ in range(3)] == ['"first"', '"second"', '"third"']
    assert close_code(first) == 4410
    assert [second.recv() for _ in range(2)] == ['"first"', '"direct"']
    rest = sorted([second.recv(), second.recv()])
    assert rest[0] == '"after the kick"' and "发送成功" in rest[1]
