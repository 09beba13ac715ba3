"""T17: four processes on one address do what one would, as a model says it.

Eight threads do random things to clients of their own. Now and then they meet: one
speaks to all, and then everything that Redis holds is compared with all models.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time

import pytest

from ..running import DEADLINE, System, wait_until
from .model import HALL, Actor, check
from .presence import left_behind


pytestmark = pytest.mark.faults

THREADS = 8

#: Times that all threads meet.
ROUNDS = 10

#: Longer than a test: a socket that is not read would be called silent.
NO_PINGS = {"ping_interval": 600, "idle_timeout": 900}


class Run:
    """All threads, and the points at which they meet."""

    def __init__(self, system, operations, seed):
        self._system = system
        self._each = operations // THREADS
        self.actors = [Actor(number, system, seed) for number in range(THREADS)]
        self._meeting = threading.Barrier(THREADS, timeout=4 * DEADLINE)
        self.errors = []

    def go(self):
        threads = [
            threading.Thread(target=self._run, args=(actor,)) for actor in self.actors
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _run(self, actor):
        try:
            for done in range(1, self._each + 1):
                actor.act()
                if done % (self._each // ROUNDS) == 0:
                    self._meet(actor)
        except threading.BrokenBarrierError:
            # Another thread has failed.
            pass
        except BaseException as error:
            self.errors.append((actor.world.clients, error))
            self._meeting.abort()

    def _meet(self, actor):
        """One thread speaks to all; then what Redis holds is what the models say."""
        actor.settle()
        first = self._meeting.wait() == 0
        if first:
            system = self._system.client
            check(system.send_broadcast_message("to all"), 4)
            check(system.send_chan_message(0, HALL, "to the hall"), 4)
        actor.hear("to all", actor.world.clients)
        actor.hear("to the hall", actor.world.members[HALL])
        for sock in actor.probes:
            sock.expect('"to all"')
        self._meeting.wait()
        if first:
            self.compare()
        self._meeting.wait()

    def compare(self):
        """Compares presence and channels as a whole with all models together."""
        client = self._system.client
        online, members = {}, {}
        for actor in self.actors:
            online.update(actor.world.online())
            online[actor.probe] = 4
            for chan, some in actor.world.members.items():
                members.setdefault(chan, set()).update(some)
        members = {chan: some for chan, some in members.items() if some}
        counts = self._system.redis.hgetall(client.wire.online_key)
        check({int(k): int(v) for k, v in counts.items()}, online)
        check(
            dict(client.get_chan_list()),
            {chan: len(some) for chan, some in members.items()},
        )
        for chan, some in members.items():
            check(set(client.get_chan_client_list(chan)), some)


WAYS_AND_OPERATIONS = [
    ("gunicorn -k gevent -w 4", 10_000),
    ("gunicorn -k GeventWebSocketWorker -w 4", 2_000),
]


@pytest.mark.parametrize(("way", "operations"), WAYS_AND_OPERATIONS)
def test_four_processes_do_what_the_model_says(redis_url, way, operations):
    # What the threads do follows from it; which process gets a socket does not.
    seed = int(os.environ.get("MODEL_SEED") or random.randrange(1 << 32))
    with System(redis_url, way, **NO_PINGS) as system:
        run = Run(system, operations, seed)
        try:
            for actor in run.actors:
                actor.place_probes()
            begin = time.monotonic()
            run.go()
            seconds = time.monotonic() - begin
        finally:
            for actor in run.actors:
                with contextlib.suppress(OSError):
                    actor.end()
        assert not run.errors, f"seed {seed}: {run.errors}"
        total = {}
        for actor in run.actors:
            for name, count in actor.counts.items():
                total[name] = total.get(name, 0) + count
        print(f"{way}: {sum(total.values())} in {seconds:.1f} s: {total}")
        wire = system.client.wire
        # What living nodes say of themselves: a lease and a report each.
        kept = {
            key.decode()
            for pattern in (wire.lease_key("*"), wire.status_key("*"))
            for key in system.redis.keys(pattern)
        }
        wait_until(
            lambda: {*left_behind(system)} == {wire.nodes_key, *kept},
            f"nothing is left (seed {seed})",
        )
        (node,) = system.nodes
        assert "Traceback" not in node.log, node.log
