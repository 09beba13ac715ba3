"""A failover: helper and relay find the new master, and no socket drops (T20)."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import pytest
import websocket
from redis.exceptions import RedisError

from freeim import ImClient
from freeim.events import start_event_bus
from freeim.redis_client import subscribing
from tests.redis_groups import Replicated, ask, kill, role
from tests.running import PLAIN_WAYS, System, wait_until


pytestmark = pytest.mark.faults

#: Seconds after the promotion in which all must work again.
RECOVERED = 10

#: Seconds that one call may take, by the helper's defaults: finding a place that turns
#: out dead, or an answer that does not come; and some for a busy machine.
CALL = 4


def attempt(call):
    """Returns what a call gives, or None if Redis could not be used in time."""
    begin = time.monotonic()
    try:
        return call()
    except RedisError:
        return None
    finally:
        assert time.monotonic() - begin < CALL


def say_until_heard(system, client_id, message):
    """Sends until a relay takes it; returns the seconds that this took."""
    begin = time.monotonic()
    wait_until(
        lambda: attempt(lambda: system.client.send_message(0, client_id, message)),
        f"a relay takes {message}",
        RECOVERED,
    )
    return time.monotonic() - begin


def lets_in(system, client_id):
    """Opens a socket if the relay has a Redis to ask about it."""
    with contextlib.suppress(websocket.WebSocketBadStatusException):
        return system.connect(client_id)


def replicated(system):
    """Waits until the replica has what was written."""
    assert system.redis.wait(1, 5000) == 1


def subscribers(server, channel):
    return ask(server, "PUBSUB", "NUMSUB", channel)[1]


@pytest.mark.parametrize("way", PLAIN_WAYS)
def test_helper_and_relay_find_the_new_master_when_the_old_one_dies(tmp_path, way):
    with Replicated(tmp_path) as group, System(group.url, way) as system:
        node, heard = system.nodes[0], []
        bus = start_event_bus(system.client, heard.append, heard.append)
        sock = system.connect(1)
        system.client.join_chan(1, "room")
        replicated(system)
        kill(group.master)
        wait_until(group.promoted, "the replica is the master")
        took = say_until_heard(system, 1, "back")
        print(f"{way}: heard {took:.2f} s after the promotion")
        # Once, and through the socket that was open all the time.
        system.client.send_chan_message(0, "room", "end")
        assert [sock.recv(), sock.recv()] == ['"back"', '"end"']
        assert node.get("/readyz")[0] == 200
        assert node.metric("freeim_sockets") == 1
        assert node.metric("freeim_subscription_gaps_total") == 1
        events = system.client.wire.online_channel
        wait_until(lambda: subscribers(group.replica, events), "the bus", RECOVERED)
        system.connect(2)
        wait_until(lambda: heard[-1].client_id == 2, "the event of a new socket")
        bus.stop()
        assert "Traceback" not in node.log, node.log


def test_nobody_stays_at_a_master_that_froze_and_comes_back(tmp_path):
    with Replicated(tmp_path) as group, System(group.url, PLAIN_WAYS[0]) as system:
        node = system.nodes[0]
        sock = system.connect(1)
        channel = system.client.wire.server_channel(node.server_name)
        replicated(system)
        os.kill(group.master.pid, signal.SIGSTOP)
        wait_until(group.promoted, "the replica is the master")
        begin = time.monotonic()
        wait_until(
            lambda: attempt(system.client.get_client_list_by_online),
            "the helper finds it",
            RECOVERED,
        )
        print(f"helper {time.monotonic() - begin:.2f} s after the promotion")
        # The test's own client has patience; it must not wait for the old master.
        system.redis.connection_pool.disconnect()
        # The relay learns of it from its next call, and its subscription follows.
        wait_until(lambda: lets_in(system, 2), "a new socket", RECOVERED)
        say_until_heard(system, 1, "still frozen")
        print(f"relay {time.monotonic() - begin:.2f} s after the promotion")
        assert sock.recv() == '"still frozen"'
        os.kill(group.master.pid, signal.SIGCONT)
        begin = time.monotonic()
        # The sentinels make it a replica after some seconds.
        wait_until(
            lambda: role(group.master) == b"slave", "the old master is a replica", 30
        )
        print(f"demoted {time.monotonic() - begin:.2f} s after it came back")
        assert system.client.send_message(0, 1, "back") == 1
        assert sock.recv() == '"back"'
        assert subscribers(group.replica, channel) == 1
        assert subscribers(group.master, channel) == 0
        assert node.metric("freeim_sockets") == 2
        assert node.metric("freeim_subscription_gaps_total") == 1
        assert "Traceback" not in node.log, node.log


def test_a_frozen_sentinel_and_a_frozen_master_cost_no_call_its_deadline(tmp_path):
    with Replicated(tmp_path) as group:
        client = ImClient(redis=group.url, servers=["a"])
        os.kill(group.sentinels[0].pid, signal.SIGSTOP)
        begin = time.monotonic()
        client.join_chan(1, "room")
        took = time.monotonic() - begin
        print(f"first call, the first sentinel frozen: {took:.2f} s")
        # A third of connect_timeout, and once: the next one is asked first then.
        assert 0.3 < took < 1.5
        client.redis.connection_pool.disconnect()
        begin = time.monotonic()
        client.join_chan(1, "room")
        assert time.monotonic() - begin < 0.3
        os.kill(group.sentinels[0].pid, signal.SIGCONT)
        os.kill(group.master.pid, signal.SIGSTOP)
        # Without a limit on reading, a subscriber must not even log in there.
        begin = time.monotonic()
        with pytest.raises(RedisError, match="but there is none"):
            subscribing(client.redis).connection_pool.get_connection()
        assert time.monotonic() - begin < CALL
        wait_until(group.promoted, "the replica is the master")
        # Its connection is to the old one: the call that finds that out fails in time.
        begin = time.monotonic()
        with pytest.raises(RedisError):
            client.join_chan(2, "room")
        took = time.monotonic() - begin
        print(f"the call that met the frozen master: {took:.2f} s")
        assert took < CALL
        client.join_chan(3, "room")
        assert client.get_chan_client_list("room") == [1, 3]
        client.redis.close()
