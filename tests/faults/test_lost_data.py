"""Redis comes back without its data, or loses some: nodes write it again."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections import Counter

import pytest
from redis.exceptions import RedisError

from ..running import System, redis_server, wait_until
from .crowd import Crowd
from .presence import in_stream, online


pytestmark = pytest.mark.faults

#: Seconds from the first answer of the new Redis.
SUBSCRIBED_WITHIN, EXACT_WITHIN = 1.5, 3.0

NODES = ["node-0", "node-1"]


class Talker(threading.Thread):
    """Sends 200 numbered messages a second to one client."""

    def __init__(self, system, receiver):
        super().__init__(daemon=True)
        self._helper = system.client
        self._receiver = receiver
        self._stopping = threading.Event()
        #: number -> relays that took it; None if the call raised.
        self.outcomes = {}

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stopping.set()
        self.join()

    def run(self):
        for number in itertools.count():
            if self._stopping.wait(0.005):
                break
            try:
                taken = self._helper.send_message(0, self._receiver, number)
            except RedisError:
                taken = None
            self.outcomes[number] = taken


def read_numbers(sock, last):
    """Reads until the message `last`; returns the numbers."""
    numbers = []
    while not numbers or numbers[-1] != last:
        numbers.append(int(sock.recv()))
    return numbers


def test_redis_comes_back_empty_under_500_sockets(tmp_path):
    server = redis_server(tmp_path).serve()
    with System(server.url, "gunicorn -k gevent", NODES) as system:
        crowds = [
            Crowd(system, 250, first, node=node).serve()
            for node, first in zip(system.nodes, (1000, 1250))
        ]
        hearer = system.connect(2)
        everybody = {2: 1, **dict.fromkeys(range(1000, 1500), 1)}
        assert online(system) == everybody
        with Talker(system, 2) as talker:
            wait_until(lambda: len(talker.outcomes) > 100, "it talks")
            server.kill()
            server.join(5)
            again = redis_server(tmp_path, server.port)
            again.start()
            wait_until(again.ready, "Redis answers")
            begin = time.monotonic()
            wait_until(
                lambda: all(system.subscribers(node) == 1 for node in system.nodes),
                "subscribed",
                SUBSCRIBED_WITHIN + 1,
            )
            subscribed = time.monotonic() - begin
            first_after = max(talker.outcomes) + 1
            wait_until(lambda: online(system) == everybody, "exact", EXACT_WITHIN + 1)
            exact = time.monotonic() - begin
            wait_until(lambda: max(talker.outcomes) > first_after + 400, "it talks on")
            talker.stop()
        heard = Counter(read_numbers(hearer, max(talker.outcomes)))
        lost = [n for n, taken in talker.outcomes.items() if n not in heard]
        print(
            f"subscribed {subscribed:.2f} s, exact {exact:.2f} s after Redis answered; "
            f"{len(lost)} of {len(talker.outcomes)} messages lost"
        )
        assert subscribed <= SUBSCRIBED_WITHIN and exact <= EXACT_WITHIN
        dropped = [one for crowd in crowds for one in crowd.happened("closed")]
        assert dropped == []
        # No message twice, and no loss that the sender could not know of.
        assert set(heard.values()) == {1}
        assert {talker.outcomes[number] for number in lost} <= {0, None}
        assert max(lost) <= first_after
        for node in system.nodes:
            assert node.metric("freeim_subscription_gaps_total") == 1
            assert node.metric("freeim_lease_breaks_total") == 1
            assert "Traceback" not in node.log, node.log
        # So that the business can join them to their channels again.
        assert in_stream(system, "online") == Counter(everybody)
        for crowd in crowds:
            crowd.stop()
    again.stop()


def test_flushall_is_noticed_with_the_next_renewal_of_the_lease(redis_url):
    with System(redis_url, "freeim relay", lease_ttl=2) as system:
        (node,) = system.nodes
        system.connect(1)
        system.connect(1)
        system.redis.flushall()
        wait_until(lambda: online(system) == {1: 2}, "counted again", 2)
        assert node.metric("freeim_lease_breaks_total") == 1
        assert node.metric("freeim_subscription_gaps_total") == 0
        assert node.metric("freeim_presence_restored_total") == 1


def test_the_regular_check_mends_what_somebody_changed(redis_url):
    with System(redis_url, "freeim relay", check_interval=1) as system:
        (node,) = system.nodes
        for client in (1, 1, 2, 3):
            system.connect(client)
        wire = system.client.wire
        (share,) = system.redis.keys(wire.node_key("*:*"))
        # What the author of the original recommends after a crash.
        system.redis.delete(wire.online_key)
        wait_until(lambda: online(system) == {1: 2, 2: 1, 3: 1}, "list mended", 5)
        wait_until(lambda: node.metric("freeim_presence_repairs_total") == 3, "noted")
        system.redis.hdel(share, 2)
        system.redis.hincrby(wire.online_key, 2, -1)
        system.redis.hset(share, 9, 1)
        system.redis.hincrby(wire.online_key, 9, 1)
        wait_until(lambda: online(system) == {1: 2, 2: 1, 3: 1}, "share mended", 5)
        wait_until(lambda: node.metric("freeim_presence_repairs_total") == 5, "noted")


def test_the_regular_check_finds_nothing_while_sockets_come_and_go(redis_url):
    with System(redis_url, "freeim relay", check_interval=0.05) as system:
        (node,) = system.nodes
        crowd = Crowd(system, 100, 1000, come_back=True).serve()
        while node.metric("freeim_opened_total") < 500:
            for client in range(1000, 1100):
                system.client.force_offline(client)
        crowd.kill()
        crowd.join(5)
        wait_until(lambda: online(system) == {}, "all gone")
        assert node.metric("freeim_presence_repairs_total") == 0


def test_an_old_snapshot_of_redis_is_corrected(tmp_path):
    """Redis restarts with the data of some time ago."""
    server = redis_server(tmp_path, arguments=["--dbfilename", "old.rdb"]).serve()
    with System(server.url, "freeim relay", lease_ttl=2) as system:
        gone, stays = system.connect(1), system.connect(2)
        system.redis.save()
        system.connect(3)
        gone.shutdown()
        wait_until(lambda: online(system) == {2: 1, 3: 1}, "as it is")
        server.kill()
        server.join(5)
        again = redis_server(tmp_path, server.port, ["--dbfilename", "old.rdb"]).serve()
        wait_until(lambda: online(system) == {2: 1, 3: 1}, "as it is", 5)
        system.client.send_message(0, 2, "hi")
        assert stays.recv() == '"hi"'
    assert again.stop() in (0, -signal.SIGTERM)
