"""Event groups in one process, against a real Redis."""

from __future__ import annotations

import contextlib
import logging
import queue
import subprocess
import sys
import textwrap
import threading
import time

import pytest
import redis as redis_py

from freeim import ClientEvent, ImClient, ImHelper, InvalidArgument
from freeim.event_group import start_event_group

from .running import VECTORS, redis_server, wait_until


GROUP = "chat"
LEASE = "im_v2_wsGroupchat"
PARKED = "im_v2_wsParkedchat"
STREAM = "im_v2_wsPresence"


class Ears:
    """Notes what the handlers were called with."""

    def __init__(self):
        self.heard = queue.Queue()

    def online(self, event):
        self.heard.put(("online", event))

    def offline(self, event):
        self.heard.put(("offline", event))

    def next(self):
        return self.heard.get(timeout=10)

    def next_ids(self, count):
        return [self.next()[1].client_id for _ in range(count)]


def close(client):
    """Closes a client's connections, which `close` of redis-py leaves to the pool."""
    client.redis.connection_pool.disconnect()


@pytest.fixture
def client(redis_url):
    client = ImClient(redis=redis_url, servers=["a"])
    yield client
    close(client)


@pytest.fixture
def ears():
    return Ears()


def add(client, client_id, kind="online", sockets=1, entry_id="*"):
    """Adds an event to the stream as a relay does; returns the entry's id."""
    value = f'{{"Item1":{client_id},"Item2":"secret {client_id}","Item3":{sockets}}}'
    key = client.wire.presence_key
    return client.redis.xadd(key, {"kind": kind, "value": value}, entry_id)


def unacknowledged(client):
    return client.redis.xpending(STREAM, GROUP)["pending"]


@contextlib.contextmanager
def joined(client, ears, **keywords):
    """Joins the group for the time of a `with`."""
    keywords = {"online": ears.online, "offline": ears.offline, **keywords}
    group = start_event_group(client, GROUP, **keywords)
    try:
        yield group
    finally:
        group.stop()
        assert not group.alive


def failing(ears, times, error):
    """Returns a handler that notes its calls and raises at the first ones."""
    left = [times]

    def handler(event):
        ears.online(event)
        left[0] -= 1
        if left[0] >= 0:
            raise error

    return handler


@pytest.mark.parametrize("case", VECTORS["events"], ids=lambda case: case["channel"])
def test_golden_events_reach_the_handler(case, redis_url, ears):
    client = ImClient(redis=redis_url, servers=["a"], dialect=case["dialect"])
    kind = "online" if case["channel"].endswith("Online") else "offline"
    with joined(client, ears):
        fields = {"kind": kind, "value": case["payload"]}
        client.redis.xadd(client.wire.presence_key, fields)
        told, event = ears.next()
    golden = case["event"]
    assert told == kind
    assert str(event.client_id) == str(golden["client_id"])
    assert event.client_meta_data == golden["client_meta_data"]
    assert event.sockets == golden["sockets"]
    close(client)


def test_imhelper_joins_the_group(redis_url, ears):
    client = ImHelper.initialization(redis=redis_url, servers=["a"])
    group = ImHelper.event_group(GROUP, ears.online, ears.offline)
    add(client, 5)
    assert ears.next() == ("online", ClientEvent(5, "secret 5", 1))
    group.stop()
    close(client)


def test_an_application_s_redis_that_decodes_serves(redis_url, ears):
    redis = redis_py.Redis.from_url(redis_url, decode_responses=True)
    client = ImClient(redis=redis, servers=["a"])
    with joined(
        client, ears, retries=0, online=failing(ears, 1, ValueError())
    ) as group:
        add(client, 5)
        add(client, 5, "offline", 0)
        assert [ears.next()[0], ears.next()[0]] == ["online", "offline"]
        assert group.parked() == 1
    close(client)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": None},
        {"name": "\ud800"},
        {"retries": -1},
        {"retries": 1.5},
        {"lease_ttl": 0.5},
        {"lease_ttl": float("nan")},
        {"lease_ttl": float("inf")},
    ],
    ids=str,
)
def test_arguments_that_cannot_be_used_are_refused(client, wrong):
    with pytest.raises(InvalidArgument):
        start_event_group(client, **{"name": GROUP, **wrong}, online=id, offline=id)
    assert not client.redis.exists(STREAM)


def test_events_from_the_first_call_on_are_handled_also_while_nobody_runs(client, ears):
    add(client, 1)
    with joined(client, ears):
        add(client, 2)
        assert ears.next_ids(1) == [2]
    for number in range(3, 303):
        add(client, number)
    with joined(client, ears):
        assert ears.next_ids(300) == list(range(3, 303))
    assert ears.heard.empty()
    assert unacknowledged(client) == 0


def test_every_group_gets_every_event(client):
    both = Ears(), Ears()
    groups = [
        start_event_group(client, f"group {number}", ears.online, ears.offline)
        for number, ears in enumerate(both)
    ]
    add(client, 1)
    assert [ears.next_ids(1) for ears in both] == [[1], [1]]
    for group in groups:
        group.stop()


def test_one_member_at_a_time_handles_and_the_next_goes_on(client):
    one, other = Ears(), Ears()
    with joined(client, one) as first:
        wait_until(lambda: client.redis.exists(LEASE), "the first has the lease")
        with joined(client, other):
            for number in range(1, 101):
                add(client, number)
            assert one.next_ids(100) == list(range(1, 101))
            first.stop()
            for number in range(101, 201):
                add(client, number)
            assert other.next_ids(100) == list(range(101, 201))
    assert one.heard.empty() and other.heard.empty()


def test_a_handler_that_raises_is_called_again(client, ears):
    with joined(client, ears, online=failing(ears, 3, ValueError("no"))) as group:
        add(client, 1)
        add(client, 2)
        assert ears.next_ids(5) == [1, 1, 1, 1, 2]
        assert group.parked() == 0
    assert unacknowledged(client) == 0


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)], ids=repr)
def test_what_always_fails_is_parked_and_the_next_comes(client, ears, caplog, error):
    caplog.set_level(logging.INFO)
    with joined(client, ears, online=failing(ears, 3, error), retries=2) as group:
        entry_id = add(client, 1)
        add(client, 2)
        assert ears.next_ids(4) == [1, 1, 1, 2]
        assert group.parked() == 1
    [(_, entry)] = client.redis.xrange(PARKED)
    assert entry == {
        b"kind": b"online",
        b"value": b'{"Item1":1,"Item2":"secret 1","Item3":1}',
        b"error": repr(error).encode(),
        b"entry": entry_id,
    }
    assert unacknowledged(client) == 0
    [record] = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert "client 1" in record.message and entry_id.decode() in record.message
    assert record.exc_info[1] is error
    assert "secret" not in caplog.text


def test_an_exception_without_a_repr_is_parked_too(client, ears):
    class Broken(Exception):
        def __repr__(self):
            raise ValueError

    with joined(client, ears, online=failing(ears, 1, Broken()), retries=0):
        add(client, 1)
        add(client, 2)
        assert ears.next_ids(2) == [1, 2]
    assert client.redis.xrange(PARKED)[0][1][b"error"] == b"Broken"


def test_pauses_between_calls_grow(client, ears):
    called_at = []

    def fail(event):
        called_at.append(time.monotonic())
        raise ValueError

    with joined(client, ears, online=fail) as group:
        add(client, 1)
        wait_until(lambda: group.parked() == 1, "parked")
    pauses = [after - before for before, after in zip(called_at, called_at[1:])]
    assert len(pauses) == 3
    for pause, least in zip(pauses, (0.1, 0.2, 0.4)):
        assert least <= pause


def test_entries_that_cannot_be_read_are_parked_unseen(client, ears, caplog):
    good = '{"Item1":1,"Item2":"","Item3":1}'
    bad = [
        {"kind": "online", "value": b"\xff"},
        {"kind": "online", "value": "[]"},
        {"kind": "online", "value": '{"Item1":0}'},
        {"kind": "online"},
        {"kind": "sideways", "value": good},
        {"value": good},
        {"other": ""},
    ]
    with joined(client, ears) as group:
        for fields in bad:
            client.redis.xadd(STREAM, fields)
        add(client, 2)
        assert ears.next_ids(1) == [2]
        assert group.parked() == len(bad)
    assert unacknowledged(client) == 0
    assert len([r for r in caplog.records if "cannot be read" in r.message]) == 7


def test_what_was_trimmed_while_it_was_pending_is_told_to_be_lost(client, ears, caplog):
    with joined(client, ears):
        pass
    lost = [add(client, number) for number in (1, 2)]
    # A predecessor read them and died.
    client.redis.xreadgroup(GROUP, "freeim", {STREAM: ">"})
    client.redis.xtrim(STREAM, maxlen=0, approximate=False)
    with joined(client, ears):
        add(client, 3)
        assert ears.next_ids(1) == [3]
        assert unacknowledged(client) <= 1
    assert unacknowledged(client) == 0
    told = [r.message for r in caplog.records if "is lost, the stream" in r.message]
    assert len(told) == 2
    assert all(entry_id.decode() in text for entry_id, text in zip(lost, told))


def test_a_group_that_fell_behind_the_stream_says_so(client, ears, caplog):
    with joined(client, ears):
        before = add(client, 1)
        assert ears.next_ids(1) == [1]
    for number in range(2, 10):
        after = add(client, number)
    client.redis.xtrim(STREAM, maxlen=1, approximate=False)
    with joined(client, ears):
        assert ears.next_ids(1) == [9]
    [error] = [r.message for r in caplog.records if r.levelno == logging.ERROR]
    assert "fell behind" in error
    assert before.decode() in error and after.decode() in error


def test_a_group_that_kept_up_says_nothing(client, ears, caplog):
    with joined(client, ears):
        for number in range(1, 300):
            add(client, number)
        assert len(ears.next_ids(299)) == 299
        client.redis.xtrim(STREAM, maxlen=1, approximate=False)
        add(client, 300)
        assert ears.next_ids(1) == [300]
    assert [r.message for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_stop_ends_within_a_second_and_gives_the_lease_back(client, ears):
    group = start_event_group(client, GROUP, ears.online, ears.offline)
    waiting = start_event_group(client, GROUP, ears.online, ears.offline)
    wait_until(lambda: client.redis.exists(LEASE), "one has the lease")
    for one in (waiting, group):
        began = time.monotonic()
        one.stop()
        assert time.monotonic() - began <= 1.0
        assert not one.alive
    assert not client.redis.exists(LEASE)
    group.stop()


def test_a_handler_may_stop_its_own_group(client, ears):
    groups = []

    def stop(event):
        groups[0].stop()
        ears.online(event)

    groups.append(start_event_group(client, GROUP, stop, ears.offline))
    add(client, 1)
    assert ears.next_ids(1) == [1]
    wait_until(lambda: not groups[0].alive, "group ends")
    assert unacknowledged(client) == 0
    assert not client.redis.exists(LEASE)


def test_stop_between_two_calls_leaves_the_event_to_the_next_member(client, ears):
    # Its pauses would take 26 seconds.
    with joined(
        client, ears, online=failing(ears, 9, ValueError()), retries=9
    ) as group:
        add(client, 1)
        assert ears.next_ids(1) == [1]
    assert group.parked() == 0
    with joined(client, ears):
        wait_until(lambda: unacknowledged(client) == 0, "handled")
    assert ears.next_ids(1) == [1]


def test_a_handler_may_take_longer_than_the_lease(client, ears):
    enough = threading.Event()

    def block(event):
        ears.online(event)
        enough.wait(10)

    other = Ears()
    with joined(client, ears, online=block, lease_ttl=1.0):
        add(client, 1)
        add(client, 2)
        assert ears.next_ids(1) == [1]
        with joined(client, other, lease_ttl=1.0):
            # Three leases long nobody else may get it.
            with pytest.raises(queue.Empty):
                other.heard.get(timeout=3.0)
            enough.set()
            assert ears.next_ids(1) == [2]
    assert other.heard.empty()


def test_redis_refuses_the_read_of_a_member_that_lost_the_lease(client, ears, caplog):
    with joined(client, ears, lease_ttl=60.0):
        add(client, 1)
        assert ears.next_ids(1) == [1]
        wait_until(lambda: unacknowledged(client) == 0, "acknowledged")
        # By its clock the lease is still its own: only Redis knows better.
        client.redis.set(LEASE, "another", px=60_000)
        add(client, 2)
        wait_until(lambda: "handed over" in caplog.text, "it noticed")
        assert ears.heard.empty()
        assert unacknowledged(client) == 0
        client.redis.delete(LEASE)
        assert ears.next_ids(1) == [2]


def test_a_member_that_lost_the_lease_parks_nothing(client, ears, caplog):
    def lose(event):
        client.redis.set(LEASE, "another", px=60_000)
        raise ValueError

    with joined(client, ears, online=lose, retries=0, lease_ttl=60.0) as group:
        add(client, 1)
        wait_until(lambda: "handed over" in caplog.text, "it noticed")
        assert group.parked() == 0
        assert unacknowledged(client) == 1
    # Nor does it take the other's lease away.
    assert client.redis.get(LEASE) == b"another"


def test_a_group_goes_on_after_everything_was_deleted(client, ears, caplog):
    with joined(client, ears):
        entry_id = add(client, 1)
        assert ears.next_ids(1) == [1]
        client.redis.flushall()
        # Within the same millisecond the same id is given again.
        add(client, 2, entry_id=entry_id)
        add(client, 3)
        assert ears.next_ids(2) == [2, 3]
        wait_until(lambda: unacknowledged(client) == 0, "acknowledged")
    assert "created again" in caplog.text


def test_an_event_is_handled_once_though_redis_went_away_meanwhile(
    tmp_path, ears, caplog
):
    arguments = ["--appendonly", "yes"]
    server = redis_server(tmp_path, arguments=arguments).serve()
    client = ImClient(redis=server.url, servers=["a"])

    def restart(event):
        ears.online(event)
        if event.client_id == 1:
            server.stop()

    with joined(client, ears, online=restart) as group:
        add(client, 1)
        assert ears.next_ids(1) == [1]
        # Before Redis is back: redis-py would connect again without a word.
        wait_until(lambda: "lost Redis" in caplog.text, "the group noticed")
        again = redis_server(tmp_path, server.port, arguments).serve()
        add(client, 2)
        assert ears.next_ids(1) == [2]
        assert group.alive
    assert ears.heard.empty()
    assert unacknowledged(client) == 0
    # Redis kept everything, so the first event was there to be handled again.
    assert "created again" not in caplog.text
    close(client)
    again.stop()


def test_a_group_may_be_joined_before_redis_is_there(tmp_path, ears):
    server = redis_server(tmp_path)
    client = ImClient(redis=server.url, servers=["a"])
    with joined(client, ears):
        server.serve()
        wait_until(lambda: client.redis.exists(STREAM), "the group is made")
        add(client, 1)
        assert ears.next_ids(1) == [1]
    close(client)
    server.stop()


def test_a_child_is_told_that_the_thread_did_not_survive_the_fork(redis_url):
    # In a process of its own: a fork of this one would run the tests twice.
    program = f"""
        import os
        from freeim import ForkedError, ImHelper
        ImHelper.initialization(redis={redis_url!r}, servers=["a"])
        group = ImHelper.event_group("chat", print, print)
        if os.fork() == 0:
            for use in (lambda: group.alive, group.stop):
                try:
                    use()
                except ForkedError as error:
                    print(error, flush=True)
            os._exit(0)
        os.wait()
        assert group.alive
        group.stop()
        """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("call event_group() after the fork" in line for line in lines)
