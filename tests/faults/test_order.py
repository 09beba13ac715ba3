"""Every frame whole, every caller's messages in their order, however clients read."""

from __future__ import annotations

import contextlib
import functools
import random
import threading
import time

import pytest

from freeim.commands import DirectMessage

from ..running import System, wait_until
from ..test_nodes import tls_system
from .readers import Readers
from .reading import message


pytestmark = pytest.mark.faults

#: A tenth of the 25,000 messages that each of four callers should send: the clients'
#: process looks at each of their 200 copies.
CALLERS, MESSAGES, SOCKETS = 4, 2_500, 200

#: Bytes by which a client that only pauses may be behind: not enough to be too slow.
BEHIND = 500_000

#: Bytes that may wait in the relay for clients that read slowly; not enough either, if
#: all are for one of them.
WAITING = 400_000

#: Messages that are published at once.
CHUNK = 250


def test_each_callers_messages_come_in_order_and_once(redis_url):
    way = "gunicorn -k gevent"
    with contextlib.ExitStack() as stack:
        system = stack.enter_context(System(redis_url, way))
        clients = range(1, SOCKETS + 1)
        readers = Readers(system, clients, receive_buffer=16384, stalls=[0.02, 0.2])
        stack.enter_context(readers)
        for client in clients:
            system.client.join_chan(client, "room")
        begin = time.monotonic()
        pace = Pace(readers)
        callers = [Caller(system, number, pace) for number in range(CALLERS)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        published = time.monotonic()
        for caller in callers:
            assert caller.done
        reports = Reports(readers)
        expected = sum(caller.frames for caller in callers)
        wait_until(lambda: reports.look() >= expected, "all have come")
        print(
            f"{way}: {CALLERS * MESSAGES} messages published in "
            f"{published - begin:.1f} s, {reports.frames} frames in "
            f"{time.monotonic() - begin:.1f} s"
        )
        # Numbers that do not rise are faults: inversions and duplicates.
        assert reports.faults == []
        for client in clients:
            for caller in callers:
                last, count = reports.got[client][caller.number]
                sent = caller.sent_to[client]
                assert (last, count) == (sent[-1], len(sent)), (client, caller.number)


class Caller(threading.Thread):
    """One who writes to all in each way there is, one call after the other."""

    def __init__(self, system, number, pace):
        super().__init__(daemon=True)
        self._system, self._pace = system, pace
        self.number, clients = number, pace.clients
        #: By client: the numbers of the messages that must come.
        self.sent_to = {client: [] for client in clients}
        self.done = False

    @property
    def frames(self):
        return sum(map(len, self.sent_to.values()))

    def run(self):
        client = self._system.client
        dice = random.Random(self.number)
        ways = (
            lambda to, text: client.send_message(0, to, text),
            lambda to, text: client.send_chan_message(0, "room", text),
            lambda to, text: client.send_broadcast_message(text),
        )
        for number in range(MESSAGES):
            send, to = dice.choice(ways), self._pace.clients
            if send is ways[0] and dice.random() < 0.5:
                to = dice.sample(to, dice.choice((1, 2, SOCKETS // 2)))
            text = message(self.number, number, dice.randint(0, 300))
            assert send(to, text) == 1
            for one in to:
                self.sent_to[one].append(number)
            self._pace.published(len(text) * len(to))
        self.done = True


class Pace:
    """Holds callers back before a reader that only pauses is too slow."""

    def __init__(self, readers):
        self._readers = readers
        self._lock = threading.Lock()
        self._published = self._looked = 0
        self.clients = readers.clients

    def published(self, size):
        """Notes bytes that were published, over all sockets; waits if they are many."""
        with self._lock:
            self._published += size
            if self._published < self._looked + SOCKETS * BEHIND / 10:
                return
            self._looked = self._published
            most = self._published - SOCKETS * BEHIND
            wait_until(lambda: self._readers.ask("total") > most, "room")


class Reports:
    """What some readers got in the end, report by report."""

    def __init__(self, readers):
        self._readers = readers
        self.frames, self.faults, self.got = 0, [], {}
        self.pings = 0

    def look(self):
        """Asks once more; returns how many messages came so far."""
        time.sleep(0.2)  # Not too often: the readers work meanwhile.
        report = self._readers.report()
        self.faults += report.faults
        self.pings += sum(map(len, report.pings.values()))
        for client, callers in report.got.items():
            mine = self.got.setdefault(client, {})
            for caller, (first, last, count) in callers.items():
                seen = mine.setdefault(caller, [-1, 0])
                if first <= seen[0]:
                    self.faults.append(f"{client}: {first} of {caller} after {seen[0]}")
                seen[0], seen[1] = last, seen[1] + count
                self.frames += count
        return self.frames


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_no_frame_is_inside_another_where_a_client_reads_slowly(
    redis_url, tmp_path, tls
):
    """100,000 frames of all sizes, many written in pieces, pings between them."""
    count, clients = 25_000, range(1, 5)
    make = functools.partial(tls_system, folder=tmp_path) if tls else System
    system = make(redis_url, "gunicorn -k gevent", ping_interval=1, idle_timeout=30)
    with contextlib.ExitStack() as stack:
        stack.enter_context(system)
        readers = Readers(
            *(system, clients),
            tls=tls,
            stopped=True,
            receive_buffer=32768,
            read_size=3000,
            stalls=[0.5, 0.006],
        )
        stack.enter_context(readers)
        published, held, waited = 0, 0, []

        def waiting():
            # What is read or sent meanwhile counts as waiting: rather that.
            arrived = readers.ask("total")
            waited.append(published - arrived - _in_kernel(system.nodes[0]))
            return waited[-1] > WAITING

        begin = time.monotonic()
        for first in range(0, count, CHUNK):
            texts = [_text(number) for number in range(first, first + CHUNK)]
            _publish(system, clients, texts)
            published += sum(len(text) + 4 for text in texts) * len(clients)
            if waiting():
                if not held:
                    readers.ask("read")
                held += 1
                wait_until(lambda: not waiting(), "room")
        reports = Reports(readers)
        wait_until(lambda: reports.look() >= count * len(clients), "all have come")
        print(
            f"{reports.frames} frames, {published} bytes, in "
            f"{time.monotonic() - begin:.1f} s; {held} times held back, when up to "
            f"{max(waited)} bytes waited in the relay; {reports.pings} pings"
        )
        assert reports.faults == []
        lasts = {tuple(callers[0]) for callers in reports.got.values()}
        assert lasts == {(count - 1, count)}
        # Else all was written at once, whole, and the test has shown nothing.
        assert held
        assert reports.pings


def _text(number):
    # Frames' heads have three sizes; the longest is rare.
    padding = (0, 60, 95, 110, 300, 900, 1200)[number % 7]
    return message(0, number, 66_000 if number % 1000 == 999 else padding)


def _publish(system, clients, texts):
    """Publishes messages faster than the helper does."""
    wire = system.client.wire
    channel = wire.server_channel(system.nodes[0].server_name)
    with system.redis.pipeline(transaction=False) as pipe:
        for text in texts:
            direct = DirectMessage(0, clients, f'"{text}"', False)
            pipe.publish(channel, wire.encode_direct(direct))
        pipe.execute()


def _in_kernel(node):
    """Returns how many bytes were written to a node's sockets and not read."""
    port = f":{int(node.address.split(':')[1]):04X}"
    queued = 0
    with open("/proc/net/tcp") as table:
        for line in table:
            _, local, remote, _, queues = line.split()[:5]
            if local.endswith(port):
                queued += int(queues.split(":")[0], 16)
            elif remote.endswith(port):
                queued += int(queues.split(":")[1], 16)
    return queued
