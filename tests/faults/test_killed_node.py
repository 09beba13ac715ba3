"""A relay process is killed outright: its counts go, once, and nobody else's."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import Counter

import pytest

from ..running import Node, System, wait_until
from .crowd import Crowd
from .presence import events, in_stream, online


pytestmark = pytest.mark.faults

#: Seconds after which a killed relay's clients are offline, with the default options.
GONE_WITHIN = 20.0

NAME = "im-1"


class Sampler(threading.Thread):
    """Looks ten times a second at clients who must be online all the while."""

    def __init__(self, system, client_ids):
        super().__init__(daemon=True)
        self._helper = system.client
        self._client_ids = list(client_ids)
        self._stopping = threading.Event()
        self.samples, self.false_offline = 0, []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self.join()

    def run(self):
        while not self._stopping.wait(0.1):
            answers = self._helper.has_online(self._client_ids)
            self.samples += 1
            self.false_offline += [
                one for one, yes in zip(self._client_ids, answers) if not yes
            ]


@contextlib.contextmanager
def three_processes(redis_url, **options):
    """Three relay processes of one server name, each at an address of its own."""
    system = System(redis_url, "freeim relay", [NAME], **options)
    system.nodes += [
        Node("freeim relay", redis_url, NAME, [NAME], system.folder.name, **options)
        for _ in range(2)
    ]
    with system:
        yield system


def nodes_known(system):
    """Returns how many nodes Redis knows: by list, counts, meta data and lease."""
    wire = system.client.wire
    keys = (wire.node_key, wire.meta_key, wire.lease_key)
    return [
        system.redis.hlen(wire.nodes_key),
        *(len(system.redis.keys(key(f"{NAME}:*"))) for key in keys),
    ]


def test_a_killed_process_loses_its_clients_and_no_other_does(redis_url):
    with three_processes(redis_url) as system, contextlib.ExitStack() as stack:
        killed, second, third = system.nodes
        # Some of the killed one's clients have a second socket elsewhere, and some of
        # the others' have one at it.
        places = [
            (killed, 500, 1),
            (second, 500, 501),
            (third, 500, 1001),
            (second, 30, 1),
            (killed, 30, 501),
        ]
        for node, count, first in places:
            crowd = Crowd(system, count, first, node=node).serve()
            stack.callback(crowd.stop)
        doubled = {*range(1, 31), *range(501, 531)}
        assert online(system) == {
            one: 2 if one in doubled else 1 for one in range(1, 1501)
        }
        for one in (5, 100, 1200):
            system.client.join_chan(one, "room")
        stays = {*range(1, 31), *range(501, 1501)}
        channel = system.client.wire.offline_channel
        with events(system, channel) as heard, Sampler(system, stays) as sampler:
            begin = time.monotonic()
            os.kill(killed.pid, signal.SIGKILL)
            wait_until(
                lambda: online(system) == dict.fromkeys(stays, 1),
                "only the living are online",
                GONE_WITHIN,
            )
            seconds = time.monotonic() - begin
            wait_until(lambda: nodes_known(system) == [2, 2, 2, 2], "forgotten", 2)
            # Both others look for the dead, again and again: nothing happens twice.
            reaped = [
                node.metric("freeim_reaped_nodes_total") for node in (second, third)
            ]
            assert sum(reaped) == 1
            told = heard()
        print(
            f"stale entries 0 after {seconds:.1f} s; {sampler.samples} samples, "
            f"{len(sampler.false_offline)} false"
        )
        assert sampler.samples > 10 * (seconds - 5)
        assert sampler.false_offline == []
        gone = Counter(one for one, sockets in told if sockets == 0)
        assert gone == Counter(range(31, 501))
        # Those who have a socket left: one event each, as the original has them.
        assert Counter(told) == Counter(
            [(one, 0) for one in range(31, 501)] + [(one, 1) for one in doubled]
        )
        assert in_stream(system, "offline") == gone
        # Of the room, who is gone has left.
        assert sorted(system.client.get_chan_client_list("room")) == [5, 1200]
        assert system.client.get_chan_online("room") == 2


def test_a_frozen_process_is_given_up_and_counts_again_when_it_thaws(redis_url):
    with three_processes(redis_url, lease_ttl=2) as system:
        frozen = system.nodes[0]
        sock = system.connect(1)
        crowd = Crowd(system, 20, 100, node=system.nodes[1]).serve()
        os.kill(frozen.pid, signal.SIGSTOP)
        try:
            wait_until(lambda: 1 not in online(system), "given up", 5)
        finally:
            os.kill(frozen.pid, signal.SIGCONT)
        wait_until(lambda: system.sockets_of(1) == 1, "counted again", 3)
        assert frozen.metric("freeim_lease_breaks_total") == 1
        assert frozen.metric("freeim_presence_restored_total") == 1
        system.client.send_message(0, 1, "still here")
        assert sock.recv() == '"still here"'
        assert in_stream(system, "online")[1] == 2
        assert in_stream(system, "offline")[1] == 1
        crowd.stop()


def test_a_killed_gunicorn_worker_is_reaped_by_the_one_that_replaces_it(redis_url):
    with System(redis_url, "gunicorn -k gevent", lease_ttl=2) as system:
        (node,) = system.nodes
        system.connect(1)
        (worker,) = node.worker_pids()
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: system.sockets_of(1) == 0, "offline", 10)
        wait_until(lambda: node.worker_pids() != [worker], "another worker")
        node.wait_until_ready()
