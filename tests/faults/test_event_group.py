"""An event group of three processes that are killed, frozen and stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from typing import NamedTuple

import pytest

from freeim import ImClient

from ..running import Server, System, clean_environ, redis_server, wait_until


pytestmark = pytest.mark.faults

CLIENTS = 300

#: Seconds; scaled down from 10.
LEASE_TTL = 3.0


class Note(NamedTuple):
    """What a process wrote about an event that it handled."""

    pid: int
    kind: str
    client_id: int
    meta: str
    sockets: int


class Application:
    """Some processes of one application, and the file that they write to."""

    def __init__(self, redis_url, folder, pause=0.0):
        self._arguments = [redis_url, folder / "notes", LEASE_TTL, pause]
        self._file = folder / "notes"
        self._file.touch()
        self.client = ImClient(redis=redis_url, servers=["a"])
        self.running = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for worker in self.running.values():
            worker.kill()
            worker.join(10)
        self.client.redis.connection_pool.disconnect()

    def start(self, count=3):
        """Starts processes, and waits until all of them joined the group."""
        workers = [self._worker() for _ in range(count)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.wait_until_ready()
            self.running[worker.pid] = worker

    def _worker(self):
        module = [sys.executable, "-m", "tests.faults.event_worker"]
        command = [*module, *(str(one) for one in self._arguments)]
        worker = Server(
            "webapi", command, lambda: "ready" in worker.lines, clean_environ()
        )
        return worker

    def stop(self):
        """Stops all processes as an operator does."""
        for worker in self.running.values():
            worker.terminate()
        for worker in self.running.values():
            assert worker.stop() == 0, worker.log
        self.running.clear()

    def kill(self, pid):
        """Ends a process with SIGKILL."""
        worker = self.running.pop(pid)
        worker.kill()
        worker.join(10)

    def notes(self):
        """Returns what was handled until now, in the order in which it was."""
        # Of a write that goes on a reader may see the beginning.
        lines = self._file.read_text().rpartition("\n")[0].splitlines()
        fields = (line.split(" ") for line in lines)
        return [Note(int(f[0]), f[1], int(f[2]), f[3], int(f[4])) for f in fields]

    def wait_for(self, count):
        """Waits until so many events were handled; returns the notes."""
        wait_until(lambda: len(self.notes()) >= count, f"{count} events", 60)
        return self.notes()

    def wait_until_done(self):
        """Waits until no event is left; returns the notes."""
        key = self.client.wire.presence_key

        def done():
            [group] = self.client.redis.xinfo_groups(key)
            last = self.client.redis.xinfo_stream(key)["last-generated-id"]
            return group["pending"] == 0 and group["last-delivered-id"] == last

        wait_until(done, "all events are acknowledged", 60)
        return self.notes()


@pytest.fixture
def application(redis_url, tmp_path):
    with Application(redis_url, tmp_path, pause=0.001) as application:
        yield application


def produce(client, rounds, first_round=0):
    """Adds each client's events in turn, as relays do; returns them in order."""
    added = []
    pipe = client.redis.pipeline(transaction=False)
    for number in range(first_round, first_round + rounds):
        kind, sockets = [("online", 1), ("offline", 0)][number % 2]
        for client_id in range(1, CLIENTS + 1):
            value = f'{{"Item1":{client_id},"Item2":"{number}","Item3":{sockets}}}'
            pipe.xadd(client.wire.presence_key, {"kind": kind, "value": value})
            added.append((kind, client_id, str(number), sockets))
    pipe.execute()
    return added


def once(notes):
    """Returns the events in order, and the places where one was handled again.

    The stream has one order, and one process at a time handles it: an event that is
    handled twice can only be the one that the process before had in hand.
    """
    events, again = [], []
    for place, note in enumerate(notes):
        if events and note[1:] == events[-1]:
            again.append(place)
        else:
            events.append(note[1:])
    return events, again


def test_real_sockets_of_300_clients_are_each_told_once(redis_url, tmp_path):
    with System(redis_url, "freeim relay") as system:
        with Application(redis_url, tmp_path) as application:
            application.start()
            for client_id in range(1, CLIENTS + 1):
                system.connect(client_id, f"meta-{client_id}")
            system.close_sockets()
            application.wait_for(2 * CLIENTS)
            notes = application.wait_until_done()
    assert len(notes) == 2 * CLIENTS
    for client_id in range(1, CLIENTS + 1):
        own = [note[1:] for note in notes if note.client_id == client_id]
        meta = f"meta-{client_id}"
        assert own == [
            ("online", client_id, meta, 1),
            ("offline", client_id, meta, 0),
        ]


def test_three_processes_handle_each_event_once_and_in_order(application):
    application.start()
    added = produce(application.client, rounds=4)
    application.wait_for(len(added))
    notes = application.wait_until_done()
    assert [note[1:] for note in notes] == added


def test_a_killed_process_loses_nothing(application):
    application.start()
    added = produce(application.client, rounds=6)
    for count in (200, 900):
        active = application.wait_for(count)[-1].pid
        application.kill(active)
        wait_until(lambda pid=active: application.notes()[-1].pid != pid, "successor")
    notes = application.wait_until_done()
    events, again = once(notes)
    assert events == added
    # One at the most for each that was killed, and handled by its successor.
    assert len(again) <= 2
    assert all(notes[place].pid != notes[place - 1].pid for place in again)
    assert len({note.pid for note in notes}) == 3


def test_a_frozen_process_does_not_go_on_with_what_its_successor_took(application):
    application.start()
    added = produce(application.client, rounds=6)
    active = application.wait_for(200)[-1].pid
    os.kill(active, signal.SIGSTOP)
    wait_until(lambda: application.notes()[-1].pid != active, "successor")
    held = sum(note.pid == active for note in application.notes())
    os.kill(active, signal.SIGCONT)
    more = produce(application.client, rounds=2, first_round=6)
    application.wait_for(len(added + more))
    notes = application.wait_until_done()
    # What it had checked before it was frozen it may have handled when it thawed, when
    # its successor was long past that.
    late = [place for place, note in enumerate(notes) if note.pid == active][held:]
    assert len(late) <= 1
    events, again = once(
        [note for place, note in enumerate(notes) if place not in late]
    )
    assert events == added + more
    assert len(again) + len(late) <= 1
    # It waits for its turn again, and gets it.
    for pid in [pid for pid in application.running if pid != active]:
        application.kill(pid)
    rest = produce(application.client, rounds=1, first_round=8)
    notes = application.wait_for(len(added + more + rest))
    assert notes[-1].pid == active


def test_an_application_that_was_down_misses_nothing(application):
    application.start()
    first = produce(application.client, rounds=2)
    application.wait_for(100)
    # In the middle of their work; what comes while nobody runs waits.
    application.stop()
    handled = len(application.notes())
    assert handled < len(first), "too quick to be stopped in the middle"
    more = produce(application.client, rounds=2, first_round=2)
    assert len(application.notes()) == handled
    application.start()
    application.wait_for(len(first + more))
    notes = application.wait_until_done()
    assert [note[1:] for note in notes] == first + more


def test_a_process_that_is_stopped_hands_over_within_two_seconds(application):
    application.start()
    produce(application.client, rounds=1)
    active = application.wait_for(CLIENTS)[-1].pid
    application.wait_until_done()
    began = time.monotonic()
    application.running[active].terminate()
    produce(application.client, rounds=1, first_round=1)
    wait_until(lambda: application.notes()[-1].pid != active, "successor", 10)
    taken = time.monotonic() - began
    assert taken <= 2.0, f"{taken:.2f} s"
    assert application.running.pop(active).stop() == 0


def test_a_redis_that_comes_back_empty_is_gone_on_with(tmp_path):
    server = redis_server(tmp_path).serve()
    with Application(server.url, tmp_path) as application:
        application.start()
        first = produce(application.client, rounds=2)
        application.wait_for(len(first))
        application.wait_until_done()
        server.kill()
        server.join(10)
        again = redis_server(tmp_path, server.port)
        with contextlib.ExitStack() as stack:
            stack.callback(again.stop)
            again.serve()
            # At once: most probably before a process made the group again.
            more = produce(application.client, rounds=2, first_round=2)
            began = time.monotonic()
            application.wait_for(len(first + more))
            taken = time.monotonic() - began
            assert [note[1:] for note in application.notes()] == first + more
            assert taken <= 15.0, f"{taken:.2f} s"
