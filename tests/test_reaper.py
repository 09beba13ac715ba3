"""Reaping against a real Redis: dead nodes lose their counts, others nothing."""

from __future__ import annotations

import json

import pytest

from freeim import ImClient
from freeim.presence import Ledger, Share
from freeim.reaper import CHUNK, Reaper


#: Longer than any test, and a moment.
LONG, SHORT = 60, 0.001


class Node:
    """A node that says things to Redis."""

    def __init__(self, client, name):
        self._redis = client.redis
        self.name = name
        self._ledger = Ledger(client.wire, name)

    def run(self, *commands):
        pipe = self._redis.pipeline(transaction=False)
        for command in commands:
            command(pipe)
        return pipe.execute()

    def renew(self, seconds=LONG):
        return self.run(lambda pipe: self._ledger.renew(pipe, seconds))[0]

    def die(self):
        self._redis.delete(self._ledger._wire.lease_key(self.name))

    def say(self, sockets, *client_ids):
        def word(client_id):
            value = json.dumps({"Item1": client_id, "Item2": f"meta {client_id}"})
            share = Share(client_id, sockets, value)
            return lambda pipe: self._ledger.say(pipe, [share])

        return self.run(*map(word, client_ids))

    def held(self):
        answer = self.run(self._ledger.held)[0]
        return self._ledger.read_held(answer)

    def forget(self):
        return self.run(self._ledger.forget)[0]


@pytest.fixture
def client(redis_url):
    client = ImClient(redis=redis_url, servers=["a"])
    yield client
    client.redis.close()


@pytest.fixture
def reaper(client):
    return Reaper(client.redis, client.wire)


@pytest.fixture
def nodes(client):
    nodes = [Node(client, f"a:{number}") for number in (1, 2)]
    for node in nodes:
        node.renew()
    return nodes


def online(client):
    return {
        int(one): int(count)
        for one, count in client.redis.hgetall("im_v2_wsOnline").items()
    }


def stream(client):
    entries = client.redis.xrange(client.wire.presence_key)
    return [(one[b"kind"].decode(), json.loads(one[b"value"])) for _, one in entries]


def test_a_dead_node_loses_its_counts_and_the_others_none(client, reaper, nodes):
    dead, alive = nodes
    dead.say(1, 1, 2)
    dead.say(2, 3)
    alive.say(1, 2, 4)
    # C# nodes count on top.
    client.redis.hincrby("im_v2_wsOnline", 1, 1)
    for one in (1, 2, 3):
        client.join_chan(one, "room")
    dead.die()
    assert reaper.reap() == ["a:1"]
    assert online(client) == {1: 1, 2: 1, 4: 1}
    assert alive.held() == {2: 1, 4: 1}
    assert sorted(client.get_chan_client_list("room")) == [1, 2]
    assert client.get_chan_online("room") == 2
    # Who is offline now is in the stream, with what the client came with.
    assert stream(client)[-1] == (
        "offline",
        {"Item1": 3, "Item2": "meta 3", "Item3": 0},
    )
    assert [kind for kind, _ in stream(client)].count("offline") == 1
    left = {key.decode() for key in client.redis.keys("*a:1*")}
    assert left == set()


def test_a_second_run_changes_nothing(client, reaper, nodes):
    nodes[0].say(1, 1)
    nodes[0].die()
    assert reaper.reap() == ["a:1"]
    before = client.redis.info("commandstats")["cmdstat_publish"]["calls"]
    assert reaper.reap() == []
    assert client.redis.info("commandstats")["cmdstat_publish"]["calls"] == before


def test_a_node_with_more_clients_than_one_chunk_is_reaped_in_one_run(
    client, reaper, nodes
):
    clients = list(range(1, 3 * CHUNK + 2))
    nodes[0].say(1, *clients)
    nodes[0].die()
    assert reaper.reap() == ["a:1"]
    assert online(client) == {}


def test_a_node_that_lives_is_left_alone(client, reaper, nodes):
    nodes[0].say(1, 1)
    assert reaper.reap() == []
    assert online(client) == {1: 1}


class Reviving:
    """A client of Redis that does something before it opens its second pipeline."""

    def __init__(self, redis, revive):
        self._redis = redis
        self._revive = revive
        self._pipelines = 0

    def __getattr__(self, name):
        return getattr(self._redis, name)

    def pipeline(self, **arguments):
        self._pipelines += 1
        if self._pipelines == 2:
            self._revive()
        return self._redis.pipeline(**arguments)


def test_a_node_that_comes_back_while_it_is_reaped_keeps_the_rest(client, nodes):
    nodes[0].say(1, *range(1, 2 * CHUNK + 1))
    nodes[0].die()
    reaper = Reaper(Reviving(client.redis, nodes[0].renew), client.wire)
    assert reaper.reap() == []
    kept = nodes[0].held()
    assert 0 < len(kept) < 2 * CHUNK
    assert online(client) == kept


def test_a_lease_runs_out_by_itself_and_says_so_at_the_next_renewal(
    client, reaper, nodes
):
    node = nodes[0]
    assert node.renew() == 1
    node.say(1, 1)
    assert node.renew(SHORT) == 1
    while client.redis.exists(client.wire.lease_key("a:1")):
        pass
    assert reaper.reap() == ["a:1"]
    assert node.renew() == 0
    assert node.renew() == 1
    assert node.held() == {}


def test_a_node_that_says_something_unknown_has_time_to_renew_and_is_told(
    client, reaper
):
    # It was reaped, or Redis lost its data, and it has not noticed yet.
    node = Node(client, "a:9")
    node.say(1, 5)
    assert reaper.reap() == []
    assert client.redis.pttl(client.wire.lease_key("a:9")) > 1000
    assert (node.renew(), node.renew()) == (0, 1)
    # It may as well be dead: then it is reaped like any other.
    node.die()
    assert reaper.reap() == ["a:9"]
    assert online(client) == {}


def test_a_word_of_a_node_that_is_known_leaves_its_lease_alone(client, nodes):
    nodes[0].die()
    nodes[0].say(1, 5)
    assert not client.redis.exists(client.wire.lease_key("a:1"))


def test_a_node_that_holds_sockets_is_not_forgotten(client, nodes):
    nodes[0].say(1, 1)
    assert nodes[0].forget() == 0
    assert nodes[0].renew() == 1
    nodes[0].say(0, 1)
    assert nodes[0].forget() == 1
    assert client.redis.hkeys(client.wire.nodes_key) == [b"a:2"]
    assert not client.redis.exists(client.wire.lease_key("a:1"))
