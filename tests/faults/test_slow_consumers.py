"""Clients that do not read, or not fast enough, beside others that do."""

from __future__ import annotations

import contextlib
import time

import psutil
import pytest

from ..running import System, wait_until
from ..test_nodes import tls_system
from .publisher import Publisher
from .readers import Readers


pytestmark = pytest.mark.faults

#: The default of `outbox_limit`.
OUTBOX_LIMIT = 1024 * 1024

#: Messages a second. At 500, which some runs have shown with the same outcome, the
#: clients' process alone takes a core, and all figures are those of a full machine.
RATE = 250

#: Bytes of a message beside its head.
PADDING = 400

#: Seconds of the room alone, before and after; the worse of the two is the measure.
ALONE = 4.0

#: Milliseconds for the noise of the machine in a percentile of some milliseconds.
NOISE = 5.0

#: The same for the worst second, which is one of few.
STALL = 250.0

#: Seconds in which the kernels' buffers, some megabytes, and then an outbox are filled.
FILLED_WITHIN = 40.0

#: Seconds that a slow client has from the moment in which its outbox is full.
CLOSED_WITHIN = 5.0

#: Bytes of memory that it may take until then.
MEMORY = 1_200_000


@pytest.mark.parametrize("slow", [50])
def test_clients_that_do_not_read_are_closed_and_delay_nobody(redis_url, slow):
    system = System(redis_url, "gunicorn -k gevent")
    _one_room(system, slow=slow, others=200, rate=RATE)


def test_tls_clients_that_do_not_read_are_closed_and_delay_nobody(redis_url, tmp_path):
    # Fewer of them: encryption is done for each one, and by the clients' process too.
    system = tls_system(redis_url, "gunicorn -k gevent", tmp_path)
    _one_room(system, slow=5, others=40, rate=RATE, tls=True)


def _one_room(system, slow, others, rate, tls=False):
    """Watches a room before, while and after some of its members do not read."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(system)
        readers = _join(stack, system, range(1, others + 1), tls=tls)
        publisher = Publisher(system.client, "room", rate, PADDING)
        stack.enter_context(publisher)
        before = _alone(readers)
        memory = Memory(system.nodes[0])
        clients = range(1001, 1001 + slow)
        stopped = Readers(system, clients, tls=tls, receive_buffer=4096, stopped=True)
        stack.enter_context(stopped)
        readers.report()
        for client in clients:
            system.client.join_chan(client, "room")
        publisher.also = clients
        wait_until(
            lambda: memory.looked() and _slow(system) == slow,
            "closed as slow",
            FILLED_WITHIN,
        )
        closed, publisher.also = time.monotonic(), []
        during = readers.report()
        after = _alone(readers)
        stopped.ask("read")
        wait_until(lambda: stopped.ask("open") == 0, "the slow ones have read all")
        closed -= _full_at(publisher, stopped.report())
        base = max(before.latency(0.99), after.latency(0.99))
        worst = max(before.worst(0.99), after.worst(0.99))
        print(
            f"{slow} slow of {slow + others}: before {before}; during {during}; "
            f"after {after}; closed {closed:.2f} s after their outboxes were "
            f"full; {memory.growth / 1000:.0f} kB of memory"
        )
        assert (readers.ask("open"), before.faults, after.faults) == (others, [], [])
        assert not during.faults
        _check_gapless(before, during, after)
        assert during.latency(0.99) <= 1.2 * base + NOISE
        assert during.worst(0.99) <= 1.2 * worst + STALL
        assert closed <= CLOSED_WITHIN
        # Of one client it cannot be told from the rest.
        assert slow == 1 or memory.growth / slow <= MEMORY


def _join(stack, system, clients, **plan):
    readers = stack.enter_context(Readers(system, clients, **plan))
    for client in clients:
        system.client.join_chan(client, "room")
    return readers


def _alone(readers):
    """Returns what the readers got while the room was left alone for a while."""
    readers.report()
    time.sleep(ALONE)  # The window that is observed.
    return readers.report()


def _slow(system):
    """Returns how many sockets were closed as slow."""
    with contextlib.suppress(AssertionError):
        return system.nodes[0].metric('freeim_closed_total{code="4508"}')
    return 0


def _full_at(publisher, report):
    """Returns when the outboxes were full, from what came to their clients."""
    # What each one got ends anywhere, but all before that is whole and in order.
    assert report.faults == []
    last = max(seen[0][1] for seen in report.got.values() if 0 in seen)
    # Some of them lost what the kernels had for them; these buffers are all the same.
    full = publisher.published[last][1] + OUTBOX_LIMIT
    return next(when for when, size in publisher.published if size >= full)


def _check_gapless(*reports):
    """Sees to it that every client of the room got every message."""
    for client in reports[0].got:
        seen = [report.got[client][0] for report in reports]
        for first, last, count in seen:
            assert count == last - first + 1, client
        for (_, last, _), (first, _, _) in zip(seen, seen[1:]):
            assert first > last, client


class Memory:
    """How much the processes of a node have grown, at the most."""

    def __init__(self, node):
        pids = [node.pid, *node.worker_pids()]
        self._processes = [psutil.Process(pid) for pid in pids]
        self._begin = self._resident()
        self.growth = 0

    def looked(self):
        """Looks once more, but not too often: the looks are load, too; returns True."""
        time.sleep(0.2)
        self.growth = max(self.growth, self._resident() - self._begin)
        return True

    def _resident(self):
        return sum(process.memory_info().rss for process in self._processes)
