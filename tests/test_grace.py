"""`offline_grace`: who loads a page again is not offline and stays in the rooms."""

from __future__ import annotations

import json
import time

import pytest
import websocket

from .faults.presence import in_stream
from .running import PLAIN_WAYS, System, close_code, wait_until


GRACE = 1.5


@pytest.mark.parametrize("way", PLAIN_WAYS)
def test_who_comes_back_in_time_was_never_away(redis_url, way):
    with System(redis_url, way, offline_grace=GRACE) as system:
        client = system.client
        sock = system.connect(1)
        client.join_chan(1, "room")

        def closed():
            return system.nodes[0].metric("freeim_sockets") == 0

        for _ in range(3):
            sock.shutdown()
            wait_until(closed, "closed")
            assert client.has_online(1)
            sock = system.connect_again(1)
            assert system.sockets_of(1) == 1
        end = time.monotonic() + GRACE + 1
        while time.monotonic() < end:
            # For longer than any of the graces that came before.
            assert client.has_online(1)
            assert client.get_chan_online("room") == 1
        client.send_chan_message(0, "room", "hi")
        assert sock.recv() == '"hi"'
        assert in_stream(system, "offline") == {}
        assert in_stream(system, "online") == {1: 1}


def test_who_does_not_come_back_is_offline_after_the_grace_and_no_sooner(redis_url):
    with System(redis_url, "freeim relay", offline_grace=GRACE) as system:
        client = system.client
        sender, sock = system.connect(2), system.connect(1)
        client.join_chan(1, "room")
        sock.shutdown()
        begin = time.monotonic()
        node = system.nodes[0]
        wait_until(lambda: node.metric("freeim_sockets") == 1, "closed")
        # It counts, but there is no socket that could take a message.
        client.send_message(2, 1, "hi", receipt=True)
        assert json.loads(sender.recv())["receipt"] == "用户不在线"
        wait_until(lambda: not client.has_online(1), "offline")
        assert GRACE <= time.monotonic() - begin < GRACE + 1.5
        assert client.get_chan_online("room") == 0
        assert in_stream(system, "offline") == {1: 1}


def test_of_two_sockets_the_first_to_close_is_counted_off_at_once(redis_url):
    with System(redis_url, "freeim relay", offline_grace=30) as system:
        first, _ = system.connect(1), system.connect(1)
        first.shutdown()
        wait_until(lambda: system.sockets_of(1) == 1, "one")
        # So that nobody waits for the grace at the end.
        system.client.force_offline(1)


def test_a_kick_has_no_grace(redis_url):
    with System(redis_url, "freeim relay", offline_grace=30) as system:
        sock = system.connect(1)
        system.client.force_offline(1)
        assert close_code(sock) == 4410
        sock.shutdown()
        wait_until(lambda: not system.client.has_online(1), "offline", 5)


def test_a_kick_ends_a_grace(redis_url):
    with System(redis_url, "freeim relay", offline_grace=30) as system:
        system.connect(1).shutdown()
        node = system.nodes[0]
        wait_until(lambda: node.metric("freeim_sockets") == 0, "closed")
        assert system.client.has_online(1)
        system.client.force_offline(1)
        wait_until(lambda: not system.client.has_online(1), "offline", 5)


def test_a_kick_leaves_no_grace_to_a_socket_that_is_ending(redis_url):
    with System(redis_url, "freeim relay", offline_grace=30) as system:
        sock = system.connect(1)
        # No UTF-8; the relay waits for the answer to its close frame.
        sock.send(b"\xff", websocket.ABNF.OPCODE_TEXT)
        assert close_code(sock) == 1007
        assert system.client.has_online(1)
        system.client.force_offline(1)
        wait_until(lambda: not system.client.has_online(1), "offline", 10)


def test_who_comes_back_after_a_kick_has_a_grace_again(redis_url):
    with System(redis_url, "freeim relay", offline_grace=30) as system:
        kicked = system.connect(1)
        system.client.force_offline(1)
        assert close_code(kicked) == 4410
        sock = system.connect_again(1)
        node = system.nodes[0]
        wait_until(lambda: node.metric("freeim_opened_total") == 2, "back")
        kicked.shutdown()
        wait_until(lambda: node.metric("freeim_sockets") == 1, "kicked")
        sock.shutdown()
        wait_until(lambda: node.metric("freeim_sockets") == 0, "closed")
        assert system.client.has_online(1)
        system.client.force_offline(1)


def test_a_restart_within_the_grace_is_no_absence(redis_url):
    options = {"offline_grace": 4, "lease_ttl": 1}
    with System(redis_url, "freeim relay", **options) as system:
        system.connect(1)
        system.connect(2)
        system.client.join_chan(1, "room")
        (node,) = system.nodes
        assert node.stop() == 0
        assert system.client.has_online([1, 2]) == [True, True]
        node.serve()
        system.wait_for_workers(node)
        system.connect_again(1)
        # The new process takes out what the old one left, when its grace has passed.
        wait_until(lambda: not system.client.has_online(2), "offline", 10)
        assert system.sockets_of(1) == 1
        assert in_stream(system, "offline") == {2: 1}
        assert system.client.get_chan_client_list("room") == [1]
        assert system.redis.hlen(system.client.wire.nodes_key) == 1
        system.client.force_offline(1)
