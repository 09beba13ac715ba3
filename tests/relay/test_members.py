"""Members of channels are kept for as long as they stay the same, on a real Redis."""

from __future__ import annotations

import contextlib
import logging
import threading
import time

import pytest
import redis as redis_py

from freeim import ImClient
from freeim.options import RelayOptions
from freeim.redis_client import connected, open_redis
from freeim.relay import members, tracked_reader
from freeim.relay.members import INVALIDATIONS, Members
from freeim.relay.metrics import Metrics

from ..proxy import TO_CLIENT, Proxy
from ..running import wait_until


TIMEOUT = 1.0


class Subscription:
    """What a relay's subscription does for the members, and nothing else."""

    def __init__(self, url):
        self._client = redis_py.Redis.from_url(url, protocol=2, socket_timeout=5)
        self._connection = connected(self._client)
        self._connection.send_command("CLIENT", "ID")
        self.client_id = self._connection.read_response()
        for channel in (INVALIDATIONS, "published"):
            self._connection.send_command("SUBSCRIBE", channel)
            self._connection.read_response()

    def close(self):
        self._connection.disconnect()
        self._client.close()

    def read(self):
        """Returns channel and payload of the next message."""
        kind, channel, payload = self._connection.read_response()
        assert kind == b"message"
        return channel.decode(), payload

    def told(self):
        """Returns what Redis has said of changes until now."""
        self._client.publish("published", "now")
        found = []
        while True:
            channel, payload = self.read()
            if channel == "published":
                return found
            found.append(payload)


class Scene:
    """Members with a subscription, and an application that changes them."""

    def __init__(self, stack, url, reader_url=None):
        options = RelayOptions(redis=url, servers=["a"])
        self.stack, self.url, self.wire = stack, url, options.wire
        self.client = ImClient(redis=url, servers=["a"])
        stack.callback(self.client.redis.close)
        self.redis = self.client.redis
        self.metrics = Metrics()
        relays = open_redis(reader_url or url, connect_timeout=TIMEOUT, timeout=TIMEOUT)
        stack.callback(relays.close)
        self.members = Members(relays, self.wire, TIMEOUT, self.metrics)
        stack.callback(self.members.close)
        self.subscribe()

    def subscribe(self):
        self.subscription = Subscription(self.url)
        self.stack.callback(self.subscription.close)
        self.members.follow(self.subscription.client_id)

    def hear(self):
        """Tells the members what the subscription has heard."""
        for keys in self.subscription.told():
            self.members.drop(keys)

    def of(self, *chans):
        return {chan: sorted(ids) for chan, ids in self.members.of(chans).items()}

    def questions(self):
        """Returns how often Redis was asked for members."""
        stats = self.redis.info("commandstats")
        return stats.get("cmdstat_hkeys", {"calls": 0})["calls"]

    def readers(self):
        """Returns Redis' numbers of the connections that it tracks."""
        clients = self.redis.client_list()
        return [int(one["id"]) for one in clients if "t" in one["flags"]]


@pytest.fixture
def scene(redis_url):
    with contextlib.ExitStack() as stack:
        yield Scene(stack, redis_url)


@pytest.fixture
def proxied(redis_url, shared_redis):
    """A scene whose reader is led through a proxy."""
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(Proxy(shared_redis.port))
        scene = Scene(stack, redis_url, f"redis://127.0.0.1:{proxy.port}/0")
        scene.proxy = proxy
        yield scene


def in_thread(function, *arguments):
    """Starts a function; returns what waits for its end and returns its result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*arguments)))
    thread.start()

    def result():
        thread.join(10)
        (answer,) = results
        return answer

    return result


# Kept


def test_members_are_asked_for_once(scene):
    scene.client.join_chan(1, "room", "hall")
    scene.client.join_chan(2, "room")
    before = scene.questions()
    for _ in range(3):
        assert scene.of("room", "hall", "empty") == {
            "room": [1, 2],
            "hall": [1],
            "empty": [],
        }
    assert scene.questions() - before == 3
    text = scene.metrics.exposition().decode()
    assert "freeim_member_lookups_total 3.0" in text
    assert "freeim_member_cache_hits_total 6.0" in text


def test_all_that_is_missing_comes_in_one_round_trip(proxied):
    proxied.of("room")
    proxied.proxy.delay(0.1, TO_CLIENT)
    begin = time.monotonic()
    proxied.of(*map(str, range(50)))
    assert time.monotonic() - begin < 0.5


def test_fields_that_are_no_ids_are_left_out(scene):
    key = scene.wire.chan_key("room")
    scene.redis.hset(key, mapping={"1": 0, "none": 0, b"\xff": 0})
    assert scene.of("room") == {"room": [1]}


def test_generation_grows_with_each_reading(scene):
    first = scene.members.of(["room"])["room"]
    other = scene.members.of(["hall"])["hall"]
    assert scene.members.of(["room"])["room"] is first
    scene.members.drop([scene.wire.chan_key("room").encode()])
    again = scene.members.of(["room"])["room"]
    assert first.generation < other.generation < again.generation
    assert again.generation == scene.members.generation


def test_nothing_is_kept_for_longer_than_its_time(scene, monkeypatch):
    monkeypatch.setattr(members, "TTL", 0.05)
    scene.of("room")
    # A change of which nobody hears.
    scene.client.join_chan(1, "room")
    wait_until(lambda: scene.of("room") == {"room": [1]}, "read again", 5)


def test_oldest_channels_make_room(scene, monkeypatch):
    monkeypatch.setattr(members, "LIMIT", 10)
    for chan in "abcd":
        for client_id in (1, 2, 3):
            scene.client.join_chan(client_id, chan)
        scene.of(chan)
    before = scene.questions()
    scene.of("c", "d")
    assert scene.questions() == before
    scene.of("b")
    assert scene.questions() == before + 1


def test_a_channel_over_the_limit_is_not_kept(scene, monkeypatch):
    monkeypatch.setattr(members, "LIMIT", 10)
    scene.redis.hset(scene.wire.chan_key("big"), mapping=dict.fromkeys(range(1, 11), 0))
    before = scene.questions()
    for _ in range(2):
        assert len(scene.of("big")["big"]) == 10
    assert scene.questions() == before + 2


# Dropped


def test_a_change_drops_its_channel_only(scene):
    scene.of("room", "hall")
    scene.client.join_chan(1, "room")
    scene.hear()
    before = scene.questions()
    assert scene.of("room", "hall") == {"room": [1], "hall": []}
    assert scene.questions() == before + 1
    scene.client.leave_chan(1, "room")
    scene.hear()
    assert scene.of("room") == {"room": []}


CHANGE_AND_PUBLISH = """
redis.call('HSET', KEYS[1], ARGV[1], 0)
redis.call('PUBLISH', 'published', ARGV[1])
"""


@pytest.mark.parametrize("way", ["pipeline", "MULTI", "Lua"])
def test_redis_speaks_of_a_change_before_all_that_is_published_later(scene, way):
    """What everything here rests upon, and no document of Redis promises."""
    key = scene.wire.chan_key("room")
    for number in range(300):
        scene.of("room")
        if way == "Lua":
            scene.redis.eval(CHANGE_AND_PUBLISH, 1, key, number)
        else:
            pipe = scene.redis.pipeline(transaction=way == "MULTI")
            pipe.hset(key, number, 0).publish("published", number).execute()
        assert scene.subscription.read() == (INVALIDATIONS.decode(), [key.encode()])
        assert scene.subscription.read() == ("published", b"%d" % number)
        scene.members.drop([key.encode()])


def test_a_channel_may_be_called_anything(scene):
    chan = "房间 {}:\n'"
    scene.of(chan)
    scene.client.join_chan(1, chan)
    scene.hear()
    assert scene.of(chan) == {chan: [1]}


@pytest.mark.parametrize("command", ["flushall", "flushdb"])
def test_an_emptied_database_drops_everything(scene, command):
    scene.client.join_chan(1, "room", "hall")
    scene.of("room", "hall")
    getattr(scene.redis, command)()
    assert None in scene.subscription.told()
    scene.members.drop(None)
    assert scene.of("room", "hall") == {"room": [], "hall": []}


def test_what_is_no_list_of_keys_drops_everything(scene):
    scene.of("room")
    scene.client.join_chan(1, "room")
    scene.members.drop(b"somebody published to the channel of changes")
    assert scene.of("room") == {"room": [1]}


@pytest.mark.parametrize("news", ["drop", "flush", "follow"])
def test_an_answer_that_a_change_overtook_is_not_kept(proxied, news):
    proxied.of("other")
    proxied.proxy.delay(0.5, TO_CLIENT)
    before = proxied.questions()
    answer = in_thread(proxied.of, "room")
    wait_until(lambda: proxied.questions() > before, "Redis has been asked")
    proxied.client.join_chan(1, "room")
    told = proxied.subscription.told()
    assert told == [[proxied.wire.chan_key("room").encode()]]
    actions = {
        "drop": lambda: proxied.members.drop(told[0]),
        "flush": proxied.members.flush,
        "follow": lambda: proxied.members.follow(proxied.subscription.client_id),
    }
    actions[news]()
    # The answer is older than the change, which is no fault: it was asked for before.
    assert answer() == {"room": []}
    proxied.proxy.mend()
    assert proxied.of("room") == {"room": [1]}


def test_a_listener_that_changes_while_the_reader_connects_keeps_nothing(proxied):
    proxied.proxy.delay(0.3, TO_CLIENT)
    answer = in_thread(proxied.of, "room")
    wait_until(proxied.readers, "Redis tracks the reader")
    proxied.subscribe()
    assert answer() == {"room": []}
    proxied.proxy.mend()
    # Redis told the connection that listened before.
    proxied.client.join_chan(1, "room")
    assert proxied.of("room") == {"room": [1]}


# Connections that end


def test_a_reader_that_was_killed_is_noticed_before_its_members_are_used(scene):
    for client_id in range(1, 20):
        scene.of("room")
        (reader,) = scene.readers()
        pipe = scene.redis.pipeline(transaction=False)
        pipe.client_kill_filter(_id=str(reader))
        pipe.hset(scene.wire.chan_key("room"), str(client_id), 0)
        pipe.execute()
        assert scene.subscription.told() == [], "nobody says it"
        assert scene.of("room") == {"room": list(range(1, client_id + 1))}


def test_a_reader_that_is_killed_while_it_reads_reads_again(proxied):
    proxied.client.join_chan(1, "room")
    proxied.of("other")
    (reader,) = proxied.readers()
    proxied.proxy.mute(TO_CLIENT)
    before = proxied.questions()
    answer = in_thread(proxied.of, "room")
    wait_until(lambda: proxied.questions() > before, "Redis has been asked")
    wait_until(lambda: proxied.proxy.swallowed, "its answer is lost")
    proxied.redis.client_kill_filter(_id=str(reader))
    proxied.proxy.mend()
    assert answer() == {"room": [1]}
    assert proxied.readers() != [reader]


def test_another_subscription_hears_of_the_next_changes(scene):
    scene.of("room")
    scene.subscription.close()
    scene.client.join_chan(1, "room")
    scene.subscribe()
    assert scene.of("room") == {"room": [1]}
    before = scene.questions()
    assert scene.of("room") == {"room": [1]}
    assert scene.questions() == before, "kept again"
    scene.client.leave_chan(1, "room")
    assert scene.subscription.told() == [[scene.wire.chan_key("room").encode()]]
    assert len(scene.readers()) == 1


def test_without_a_subscription_nothing_is_kept(scene):
    scene.of("room")
    scene.members.follow(None)
    for client_id in (1, 2):
        scene.client.join_chan(client_id, "room")
        assert len(scene.of("room")["room"]) == client_id


def test_a_reader_that_gets_no_answer_says_so_in_time(proxied):
    proxied.of("room")
    proxied.proxy.strand()
    begin = time.monotonic()
    with pytest.raises(redis_py.TimeoutError):
        proxied.of("room", "hall")
    assert time.monotonic() - begin < 2 * TIMEOUT
    proxied.client.join_chan(1, "room")
    assert proxied.of("room") == {"room": [1]}, "by another connection"


def test_redis_that_is_away_says_so_and_comes_back(proxied):
    proxied.of("room")
    proxied.proxy.cut()
    for _ in range(2):
        with pytest.raises(redis_py.ConnectionError):
            proxied.of("room")
    proxied.client.join_chan(1, "room")
    proxied.proxy.mend()
    assert proxied.of("room") == {"room": [1]}


def test_what_redis_refuses_to_read_is_an_error_and_no_answer_is_left_over(scene):
    scene.client.join_chan(1, "room")
    scene.redis.set(scene.wire.chan_key("text"), "no hash")
    scene.of("room")
    readers = scene.readers()
    with pytest.raises(redis_py.ResponseError, match="WRONGTYPE"):
        scene.of("hall", "text", "other")
    assert scene.of("room", "hall") == {"room": [1], "hall": []}
    # The keys might have moved to another server.
    assert scene.readers() != readers


# Redis that will not track


def test_a_listener_that_redis_does_not_know_is_tried_again_later(
    scene, monkeypatch, caplog
):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(tracked_reader, "RETRY", 1.0)
    subscription = scene.subscription
    subscription.close()
    scene.members.follow(subscription.client_id)
    for client_id in (1, 2, 3):
        scene.client.join_chan(client_id, "room")
        assert len(scene.of("room")["room"]) == client_id
    (line,) = [one.message for one in caplog.records if "does not say" in one.message]
    assert "client ID you want redirect to does not exist" in line
    assert scene.readers() == []
    # It becomes known: a Redis has been put behind the address that was right before.
    later = Subscription(scene.url)
    scene.stack.callback(later.close)
    monkeypatch.setattr(scene.members, "_listener", later.client_id)
    wait_until(lambda: scene.of("room") and scene.readers(), "tried again", 5)
    before = scene.questions()
    scene.of("room")
    assert scene.questions() == before


def test_a_redis_that_may_not_track_is_asked_each_time(redis_url, caplog):
    caplog.set_level(logging.INFO)
    with contextlib.ExitStack() as stack:
        admin = stack.enter_context(redis_py.Redis.from_url(redis_url))
        admin.execute_command(
            *("ACL", "SETUSER", "relay", "on", ">secret", "~*", "&*", "+@all"),
            *("-client", "+client|id"),
        )
        stack.callback(admin.acl_deluser, "relay")
        reader_url = redis_url.replace("redis://", "redis://relay:secret@")
        scene = Scene(stack, redis_url, reader_url)
        for client_id in (1, 2, 3):
            scene.client.join_chan(client_id, "room")
            assert len(scene.of("room")["room"]) == client_id
        lines = [one for one in caplog.records if "does not say" in one.message]
        assert [one.levelname for one in lines] == ["INFO"]
        assert "NOPERM" in lines[0].getMessage() or "permission" in lines[0].message
