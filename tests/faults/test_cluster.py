"""A Redis Cluster: one slot holds everything, and may move to another node."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
import websocket
from redis.crc import key_slot
from redis.exceptions import RedisError

from freeim.events import start_event_bus
from tests.redis_groups import Clustered, ask
from tests.running import PLAIN_WAYS, System, close_code, wait_until


pytestmark = pytest.mark.faults

PREFIX = "{im}:"
SLOT = key_slot(PREFIX.encode())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Clustered(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def everything(system):
    """Uses all that helper and relay have to do with Redis; returns its sockets."""
    client = system.client
    first, second = system.connect(1), system.connect(2)
    assert client.get_client_list_by_online() == [1, 2]
    assert client.has_online([1, 2, 3]) == [True, True, False]
    assert client.send_message(1, 2, "direct", receipt=True) == 1
    assert second.recv() == '"direct"'
    assert json.loads(first.recv())["receipt"] == "发送成功"
    client.join_chan(1, "room")
    client.join_chan(2, "room")
    assert client.get_chan_list() == [("room", 2)]
    assert client.send_chan_message(0, "room", "all") == 1
    assert [first.recv(), second.recv()] == ['"all"', '"all"']
    client.prev_connect_server(2)
    assert client.force_offline(2) == 1
    assert close_code(second) == 4410
    second.shutdown()
    wait_until(lambda: not client.has_online(2), "2 is offline")
    # The last socket took it out of its channels.
    assert client.get_chan_client_list("room") == [1]
    client.leave_chan(1, "room")
    return first


@pytest.mark.parametrize("way", PLAIN_WAYS)
def test_all_works_in_a_cluster_before_and_after_the_slot_moves(cluster, way):
    with contextlib.ExitStack() as stack:
        system = stack.enter_context(System(cluster.url, way, key_prefix=PREFIX))
        node, heard = system.nodes[0], []
        bus = start_event_bus(system.client, heard.append, heard.append)
        # Not to be heard of in the tests that follow if this one fails.
        stack.callback(bus.stop)
        sock = everything(system)
        wait_until(lambda: len(heard) == 3, "two online events and an offline one")
        assert node.metric("freeim_redis_failures_total") == 0
        owner = cluster.owner(SLOT)
        assert all(b"{im}:" in key for key in ask(owner, "KEYS", "*"))
        target = next(one for one in cluster.nodes if one is not owner)
        cluster.move(SLOT, target)
        # It takes its keys along; the first call learns where to, and fails.
        begin = time.monotonic()
        with pytest.raises(RedisError, match=f":{target.port}"):
            system.client.get_chan_list()
        assert system.client.get_client_list_by_online() == [1]
        # So does the first one of the test's own client.
        with pytest.raises(RedisError, match=f":{target.port}"):
            system.redis.get(PREFIX)
        print(f"{way}: helper {time.monotonic() - begin:.3f} s after the move")
        # A subscription follows when its own process has met the move: the event bus
        # now, the relay at its next call.
        online = system.client.wire.online_channel
        wait_until(lambda: ask(target, "PUBSUB", "NUMSUB", online)[1] == 1, "the bus")

        # Before redis-py says that a subscription was lost, it makes another one, which
        # nobody reads: it may be that one which counts above.
        def bus_hears():
            ask(target, "PUBLISH", online, '{"Item1":9,"Item2":"","Item3":1}')
            return heard[-1].client_id == 9

        wait_until(bus_hears, "the bus hears what is said there")
        begin = time.monotonic()
        wait_until(lambda: connects(system, 3), "a new socket", 5)
        wait_until(
            lambda: system.client.send_message(0, 1, "again") == 1, "followed", 5
        )
        print(f"{way}: relay {time.monotonic() - begin:.3f} s after its next call")
        while sock.recv() != '"again"':
            # What the old owner still passed on through the cluster's bus.
            pass
        assert node.metric("freeim_subscription_gaps_total") == 1
        wait_until(lambda: heard[-1].client_id == 3, "its event")
        assert "CROSSSLOT" not in node.log and "Traceback" not in node.log, node.log


def connects(system, client_id):
    """Opens a socket if the relay lets one in."""
    with contextlib.suppress(websocket.WebSocketBadStatusException):
        return system.connect(client_id)
