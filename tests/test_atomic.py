"""Blocks whose calls leave together or not at all, against a real Redis."""

from __future__ import annotations

import contextvars
import subprocess
import sys
import threading

import pytest
import redis

from freeim import (
    ImClient,
    ImHelper,
    ImSendEvent,
    InvalidChan,
    InvalidClientId,
    InvalidMessage,
)

from .running import free_port


SERVERS = ["a", "b"]

#: A monkey-patched process: blocks of many greenlets at a time, and one of a child's.
GREENLETS = """
import sys
from freeim import ImClient
early = ImClient(redis=sys.argv[1], servers=["a", "b"])
from gevent import monkey
monkey.patch_all()
import gevent

def block(number):
    try:
        with early.atomic() as block:
            for part in range(3):
                early.send_message(0, 2, [number, part])
                gevent.sleep(0.001)
            if number % 2:
                raise KeyError(number)
    except KeyError:
        pass
    return block.taken

def child():
    return early.send_message(0, 2, "child")

greenlets = [gevent.spawn(block, number) for number in range(40)]
gevent.joinall(greenlets, raise_error=True)
assert [one.value for one in greenlets[:2]] == [[1] * 3, []], greenlets[0].value
try:
    with early.atomic():
        early.send_message(0, 2, "lost")
        assert gevent.spawn(child).get() == 1
        raise KeyError
except KeyError:
    pass
"""


class Ear:
    """Hears what is published to the nodes, up to an end that it publishes itself."""

    def __init__(self, client):
        self._client = client
        self._pubsub = client.redis.pubsub()
        self._pubsub.subscribe(*map(client.wire.server_channel, SERVERS), "end")
        for _ in range(3):
            assert self._pubsub.get_message(timeout=5)["type"] == "subscribe"

    def heard(self):
        """Returns the commands that came since the last time, as the relay reads."""
        self._client.redis.publish("end", "")
        found = []
        while True:
            message = self._pubsub.get_message(timeout=5)
            if message["channel"] == b"end":
                return found
            found.append(self._client.wire.decode_command(message["data"]))

    def contents(self):
        return [one.content for one in self.heard()]

    def close(self):
        self._pubsub.close()


@pytest.fixture
def client(redis_url):
    made = ImClient(redis=redis_url, servers=SERVERS)
    yield made
    made.redis.connection_pool.disconnect()


@pytest.fixture
def ear(client):
    made = Ear(client)
    yield made
    made.close()


def round_trips(client):
    """Returns how often Redis has read something from any client, this one included."""
    return client.redis.info("stats")["total_reads_processed"]


def test_calls_of_a_block_leave_at_its_end_in_one_transaction(client, ear):
    client.redis.config_resetstat()
    before = round_trips(client)
    with client.atomic() as block:
        assert client.send_message(0, [2, 3], "one") == -1
        client.join_chan(2, "room")
        assert client.send_chan_message(0, "room", "two") == -1
        client.leave_chan(2, "room")
        client.join_chan(3, "hall")
        client.remove_from_chan("hall", 3)
        assert client.send_broadcast_message("three") == -1
        assert client.force_offline(2) == -1
        assert block.taken == []
    assert round_trips(client) - before == 2, "the transaction, and the question"
    commands = client.redis.info("commandstats")
    assert commands["cmdstat_multi"]["calls"] == 1
    # One subscriber hears both nodes.
    assert block.taken == [2, 2, 2, 1]
    kinds = [type(one).__name__ for one in ear.heard()]
    assert kinds == ["DirectMessage"] * 2 + ["ChanMessage"] * 4 + ["ForceOffline"]
    assert client.get_chan_list() == []


def test_a_block_that_raises_leaves_nothing(client, ear):
    with pytest.raises(KeyError):
        with client.atomic():
            client.send_message(0, 2, "one")
            client.join_chan(2, "room")
            client.force_offline(2)
            raise KeyError
    assert ear.heard() == []
    assert client.get_chan_list() == []
    assert client.send_message(0, 2, "after") == 1


@pytest.mark.parametrize(
    "error, call",
    [
        (InvalidClientId, lambda client: client.send_message(0, [2, -1], "x")),
        (InvalidMessage, lambda client: client.send_message(0, 2, float("nan"))),
        (InvalidChan, lambda client: client.send_chan_message(0, "", "x")),
        (InvalidChan, lambda client: client.join_chan(2, "")),
        (InvalidClientId, lambda client: client.force_offline(0)),
    ],
)
def test_a_bad_argument_is_raised_by_the_call_and_harms_nothing_else(
    client, ear, error, call
):
    with client.atomic():
        client.send_message(0, 2, "good")
        with pytest.raises(error):
            call(client)
    assert ear.contents() == ['"good"']


def test_a_message_is_what_it_was_at_the_call(client, ear):
    message = ["then"]
    with client.atomic():
        client.send_message(0, 2, message)
        message[0] = "now"
    assert ear.contents() == ['["then"]']


def test_a_block_inside_leaves_with_the_outer_one_or_alone_does_not(client, ear):
    with client.atomic() as outer:
        client.send_message(0, 2, 1)
        with pytest.raises(KeyError):
            with client.atomic():
                client.send_message(0, 2, 2)
                raise KeyError
        with client.atomic() as inner:
            client.send_message(0, 2, 3)
        assert ear.heard() == []
        client.send_message(0, 2, 4)
    assert ear.contents() == ["1", "3", "4"]
    assert (outer.taken, inner.taken) == ([1, 1, 1], [])


def test_a_block_may_be_sent_or_forgotten_before_its_end(client, ear):
    with client.atomic() as block:
        client.send_message(0, 2, 1)
        block.send()
        assert ear.contents() == ["1"]
        client.send_message(0, 2, 2)
        with client.atomic() as inner:
            client.send_message(0, 2, 2)
            inner.discard()
        client.send_message(0, 2, 3)
    assert ear.contents() == ["3"]
    assert block.taken == [1, 1]


def test_reading_and_connecting_are_not_held(client):
    with client.atomic():
        client.join_chan(2, "room")
        assert client.get_chan_list() == []
        client.prev_connect_server(2)
        assert any(b"Token" in key for key in client.redis.keys())
        assert client.clear_chan_client("room") == 0
    assert client.get_chan_list() == [("room", 1)]


def test_a_block_holds_its_own_clients_calls_only(client, ear, redis_url):
    other = ImClient(redis=redis_url, servers=SERVERS)
    with client.atomic():
        with other.atomic():
            client.send_message(0, 2, "held")
            other.send_message(0, 2, "other's")
        assert ear.contents() == ['"other\'s"']
        assert other.send_message(0, 2, "at once") == 1
        assert ear.contents() == ['"at once"']
    assert ear.contents() == ['"held"']
    other.redis.connection_pool.disconnect()


def test_a_block_is_entered_once(client):
    with client.atomic() as block:
        with pytest.raises(RuntimeError, match="enter a block once"):
            block.__enter__()
    assert client.holding is None


def test_on_send_is_told_when_the_block_leaves_and_not_if_it_does_not(client, ear):
    seen = []
    client.on_send.append(seen.append)
    with client.atomic():
        client.send_message(0, 2, "x")
        assert seen == []
    assert seen == [ImSendEvent("a", 0, [2], None, "x")]
    with pytest.raises(KeyError):
        with client.atomic():
            client.send_message(0, 2, "y")
            raise KeyError
    assert len(seen) == 1


def test_on_send_that_raises_keeps_the_whole_block_back(client, ear):
    def refuse(event):
        assert event.message != "second", "not this"

    client.on_send.append(refuse)
    with pytest.raises(AssertionError, match="not this"):
        with client.atomic():
            client.send_message(0, 2, "first")
            client.send_message(0, 2, "second")
    assert ear.heard() == []


def test_a_redis_that_is_not_there_raises_at_the_end_and_once():
    client = ImClient(redis=f"redis://127.0.0.1:{free_port()}/0", servers=SERVERS)
    with pytest.raises(redis.ConnectionError):
        with client.atomic():
            assert client.send_message(0, 2, "x") == -1
    assert client.holding is None
    with client.atomic():
        pass


def test_each_thread_has_its_own_blocks(client, ear):
    """Twenty threads at a time; every other block raises."""
    barrier = threading.Barrier(20)

    def block(number):
        barrier.wait(10)
        try:
            with client.atomic():
                for part in range(5):
                    client.send_message(0, 2, [number, part])
                    barrier.wait(10)
                if number % 2:
                    raise KeyError
        except KeyError:
            pass

    threads = [threading.Thread(target=block, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    heard = ear.contents()
    expected = [[f"[{n},{part}]" for part in range(5)] for n in range(0, 20, 2)]
    # Each block's in one piece: no other transaction gets in between.
    assert sorted(heard[at : at + 5] for at in range(0, 50, 5)) == sorted(expected)
    assert len(heard) == 50


def test_what_a_thread_sends_that_a_block_started_leaves_at_once(client, ear):
    with client.atomic():
        # As Python 3.14 may start threads, and as executors of frameworks do.
        variables = contextvars.copy_context()
        args = [client.send_message, 0, 2, "child's"]
        thread = threading.Thread(target=variables.run, args=args)
        thread.start()
        thread.join(10)
        assert ear.contents() == ['"child\'s"']


def test_each_greenlet_has_its_own_blocks(client, ear, redis_url):
    code = [sys.executable, "-W", "ignore", "-c", GREENLETS, redis_url]
    subprocess.run(code, check=True, timeout=60)
    heard = ear.contents()
    assert heard.pop() == '"child"'
    expected = [[f"[{n},{part}]" for part in range(3)] for n in range(0, 40, 2)]
    assert sorted(heard[at : at + 3] for at in range(0, 60, 3)) == sorted(expected)
    assert len(heard) == 60


def test_imhelper_has_blocks_too(redis_url, monkeypatch):
    monkeypatch.setattr(ImHelper, "_instance", None)
    client = ImHelper.initialization(redis=redis_url, servers=SERVERS)
    with ImHelper.atomic() as block:
        assert ImHelper.send_message(0, 2, "x") == -1
    assert block.taken == [0]
    client.redis.connection_pool.disconnect()
