"""The event bus against a real Redis."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import textwrap

import pytest

from freeim import ClientEvent, ForkedError, ImClient, ImHelper
from freeim.events import start_event_bus

from .running import VECTORS, redis_server, wait_until


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


@pytest.fixture
def client(redis_url):
    client = ImClient(redis=redis_url, servers=["a"])
    yield client
    client.redis.close()


@pytest.fixture
def ears():
    return Ears()


def publish(client, kind, client_id, sockets=None):
    """Publishes as a relay does; without `sockets`, as a C# relay does."""
    more = "" if sockets is None else f',"Item3":{sockets}'
    payload = f'{{"Item1":{client_id},"Item2":"meta"{more}}}'
    client.redis.publish(getattr(client.wire, f"{kind}_channel"), payload)


@pytest.mark.parametrize("case", VECTORS["events"], ids=lambda case: case["channel"])
def test_golden_events_reach_the_handler(case, redis_url, ears):
    client = ImClient(redis=redis_url, servers=["a"], dialect=case["dialect"])
    bus = start_event_bus(client, ears.online, ears.offline)
    client.redis.publish(case["channel"], case["payload"])
    kind, event = ears.next()
    assert case["channel"].lower().endswith(kind)
    golden = case["event"]
    assert str(event.client_id) == str(golden["client_id"])
    assert event.client_meta_data == golden["client_meta_data"]
    assert event.sockets == golden["sockets"]
    bus.stop()
    client.redis.close()


def test_only_the_first_socket_and_the_last_are_told(client, ears):
    bus = start_event_bus(client, ears.online, ears.offline)
    publish(client, "online", 1, 1)
    publish(client, "online", 1, 2)
    publish(client, "offline", 1, 1)
    publish(client, "offline", 1, 0)
    assert ears.next() == ("online", ClientEvent(1, "meta", 1))
    assert ears.next() == ("offline", ClientEvent(1, "meta", 0))
    bus.stop()


def test_every_socket_is_told_when_asked_for(client, ears):
    bus = start_event_bus(client, ears.online, ears.offline, every_socket=True)
    publish(client, "online", 1, 2)
    publish(client, "offline", 1, 1)
    assert ears.next() == ("online", ClientEvent(1, "meta", 2))
    assert ears.next() == ("offline", ClientEvent(1, "meta", 1))
    bus.stop()


def test_events_of_csharp_relays_always_pass(client, ears):
    bus = start_event_bus(client, ears.online, ears.offline)
    publish(client, "online", 1)
    publish(client, "online", 1)
    assert ears.next() == ears.next() == ("online", ClientEvent(1, "meta", None))
    bus.stop()


def test_a_handler_that_raises_does_not_stop_the_next_event(client, ears, caplog):
    def fail(event):
        raise RuntimeError(f"no {event.client_id}")

    bus = start_event_bus(client, fail, ears.offline)
    for number in range(1, 101):
        publish(client, "online", number, 1)
    publish(client, "offline", 7, 0)
    assert ears.next() == ("offline", ClientEvent(7, "meta", 0))
    bus.stop()
    failures = [record for record in caplog.records if record.exc_info]
    assert len(failures) == 100
    assert "no 100" in str(failures[-1].exc_info[1])


def test_malformed_events_are_skipped_and_logged(client, ears, caplog):
    bus = start_event_bus(client, ears.online, ears.offline)
    for payload in [b"", b"junk", b"\xff", b"[]", b'{"Item1":"x"}', b'{"Item1":0}']:
        client.redis.publish(client.wire.online_channel, payload)
    publish(client, "online", 5, 1)
    assert ears.next() == ("online", ClientEvent(5, "meta", 1))
    bus.stop()
    assert len([r for r in caplog.records if "event skipped" in r.message]) == 6


def test_the_bus_survives_a_restart_of_redis(tmp_path, ears):
    server = redis_server(tmp_path).serve()
    client = ImClient(redis=server.url, servers=["a"])
    bus = start_event_bus(client, ears.online, ears.offline)
    publish(client, "online", 1, 1)
    assert ears.next()[1].client_id == 1
    server.stop()
    again = redis_server(tmp_path, server.port).serve()
    channel = client.wire.online_channel
    wait_until(
        lambda: client.redis.pubsub_numsub(channel)[0][1] == 1, "subscribed again"
    )
    publish(client, "online", 2, 1)
    assert ears.next()[1].client_id == 2
    assert bus.alive
    bus.stop()
    assert not bus.alive
    client.redis.close()
    again.stop()


def test_stop_ends_the_subscription(client, ears):
    bus = start_event_bus(client, ears.online, ears.offline)
    channel = client.wire.online_channel
    assert client.redis.pubsub_numsub(channel)[0][1] == 1
    bus.stop()
    bus.stop()
    wait_until(lambda: client.redis.pubsub_numsub(channel)[0][1] == 0, "unsubscribed")
    assert not bus.alive


def test_a_handler_may_stop_its_own_bus(client, ears):
    buses = []

    def stop(event):
        buses[0].stop()
        ears.online(event)

    buses.append(start_event_bus(client, stop, ears.offline))
    publish(client, "online", 1, 1)
    assert ears.next()[1].client_id == 1
    wait_until(lambda: not buses[0].alive, "bus ends")


def test_a_child_is_told_that_the_thread_did_not_survive_the_fork(redis_url):
    # In a process of its own: a fork of this one would run the tests twice.
    program = f"""
        import os
        from freeim import ForkedError, ImHelper
        ImHelper.initialization(redis={redis_url!r}, servers=["a"])
        bus = ImHelper.event_bus(print, print)
        if os.fork() == 0:
            for use in (lambda: bus.alive, bus.stop):
                try:
                    use()
                except ForkedError as error:
                    print(error, flush=True)
            os._exit(0)
        os.wait()
        assert bus.alive
        bus.stop()
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
    assert all("call event_bus() after the fork" in line for line in lines)
    assert issubclass(ForkedError, RuntimeError)


def test_imhelper_starts_the_bus(redis_url, ears):
    client = ImHelper.initialization(redis=redis_url, servers=["a"])
    bus = ImHelper.event_bus(ears.online, ears.offline)
    publish(client, "online", os.getpid(), 1)
    assert ears.next() == ("online", ClientEvent(os.getpid(), "meta", 1))
    bus.stop()
    client.redis.close()
