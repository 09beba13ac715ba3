"""Handlers that raise, block or live in a process that forks (T25)."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import textwrap
import time

import pytest

from freeim import ImClient
from freeim.event_group import start_event_group
from freeim.events import start_event_bus
from freeim.presence import Ledger, Share

from ..running import wait_until


pytestmark = pytest.mark.faults

FOLLOWING = 1000

#: Seconds; a lease lasts 10, `stop` waits 5, an answer of Redis may take 2.
BLOCKED = 12.0

#: Seconds that the following events may take.
IN_TIME = 60.0


def start_group(client, online, offline, **keywords):
    return start_event_group(client, "chat", online, offline, **keywords)


WAYS = {"event_bus": start_event_bus, "event_group": start_group}

#: What has a handler called once, whatever it does.
CALL_ONCE = {"event_bus": {}, "event_group": {"retries": 0}}


@pytest.fixture
def client(redis_url):
    client = ImClient(redis=redis_url, servers=["a"])
    yield client
    client.redis.connection_pool.disconnect()


@pytest.fixture
def ledger(client):
    return Ledger(client.wire, "a:1")


def come(client, ledger, first, count):
    """Has clients come online as in a relay: events and stream from one script."""
    shares = [
        Share(client_id, 1, f'{{"Item1":{client_id},"Item2":""}}')
        for client_id in range(first, first + count)
    ]
    pipe = client.redis.pipeline(transaction=False)
    ledger.say(pipe, shares)
    assert pipe.execute() == [[1] * count]


def hear(heard, count):
    """Returns so many clients, in the order in which they were told."""
    end = time.monotonic() + IN_TIME
    return [heard.get(timeout=end - time.monotonic()) for _ in range(count)]


@pytest.mark.parametrize("way", WAYS)
def test_1000_events_follow_a_handler_that_raises(way, client, ledger, caplog):
    heard = queue.Queue()

    def handler(event):
        if event.client_id == 1:
            raise RuntimeError("the application's fault")
        heard.put(event.client_id)

    started = WAYS[way](client, handler, print)
    come(client, ledger, 1, 1 + FOLLOWING)
    assert hear(heard, FOLLOWING) == list(range(2, 2 + FOLLOWING))
    assert started.alive
    started.stop()
    failures = [r for r in caplog.records if r.levelname == "ERROR"]
    assert len(failures) == 1
    assert "client 1" in failures[0].message
    assert "the application's fault" in str(failures[0].exc_info[1])


@pytest.mark.parametrize("way", WAYS)
def test_1000_events_follow_one_that_raises_each_time(way, client, ledger, caplog):
    heard = queue.Queue()

    def handler(event):
        heard.put(event.client_id)
        raise RuntimeError(f"no {event.client_id}")

    started = WAYS[way](client, handler, print, **CALL_ONCE[way])
    come(client, ledger, 1, FOLLOWING)
    assert hear(heard, FOLLOWING) == list(range(1, 1 + FOLLOWING))
    if way == "event_group":
        wait_until(lambda: started.parked() == FOLLOWING, "all are parked")
    started.stop()
    assert len([r for r in caplog.records if r.levelname == "ERROR"]) == FOLLOWING


@pytest.mark.parametrize("way", WAYS)
def test_1000_events_follow_a_handler_that_blocked(way, client, ledger, caplog):
    heard, elsewhere = queue.Queue(), queue.Queue()

    def handler(event):
        if event.client_id == 1:
            time.sleep(BLOCKED)
        heard.put(event.client_id)

    def other(event):
        elsewhere.put(event.client_id)

    started = WAYS[way](client, handler, print)
    if way == "event_group":
        wait_until(lambda: client.redis.exists("im_v2_wsGroupchat"), "it has the lease")
    second = WAYS[way](client, other, print)
    began = time.monotonic()
    come(client, ledger, 1, 1 + FOLLOWING)
    if way == "event_bus":
        # Another process' bus does not wait for this one.
        assert hear(elsewhere, 1 + FOLLOWING) == list(range(1, 2 + FOLLOWING))
        assert time.monotonic() - began < BLOCKED
    assert hear(heard, 1 + FOLLOWING) == list(range(1, 2 + FOLLOWING))
    assert time.monotonic() - began >= BLOCKED
    # Nobody took the group away from a handler that was at work.
    assert elsewhere.empty()
    for one in (started, second):
        assert one.alive
        one.stop()
    assert [r.message for r in caplog.records if r.levelname == "WARNING"] == []


FORKING = """
    import os, queue, sys
    from freeim import ForkedError, ImHelper

    url, way = sys.argv[1:]
    ImHelper.initialization(redis=url, servers=["a"])
    heard = queue.Queue()
    names = ["chat"] if way == "event_group" else []

    def handler(event):
        heard.put(event.client_id)

    started = getattr(ImHelper, way)(*names, handler, print)
    child = os.fork()
    if child == 0:
        refused = 0
        for use in (lambda: started.alive, started.stop):
            try:
                use()
            except ForkedError as error:
                refused += way in str(error)
        # As a child ends that knows nothing of all this, its objects are taken apart.
        sys.exit(refused)
    status = os.waitpid(child, 0)[1]
    print("refused", os.WEXITSTATUS(status), flush=True)
    ids = [heard.get(timeout=60) for _ in range(1000)]
    assert ids == list(range(1, 1001)), ids
    assert started.alive
    started.stop()
    print("heard", len(ids), flush=True)
    """


@pytest.mark.parametrize("way", WAYS)
def test_1000_events_follow_a_fork(way, redis_url, client, ledger):
    program = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(FORKING)]
    process = subprocess.Popen(
        [*program, redis_url, way],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    with process:
        try:
            assert process.stdout.readline() == "refused 2\n"
            come(client, ledger, 1, FOLLOWING)
            assert process.stdout.readline() == f"heard {FOLLOWING}\n"
            assert process.wait(20) == 0
        finally:
            process.kill()
