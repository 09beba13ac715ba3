"""The ledger's scripts against a real Redis: counts, events, channels."""

from __future__ import annotations

import json

import pytest

from freeim import ImClient
from freeim.presence import Ledger, Share


VALUE = '{"Item1":7,"Item2":"meta"}'


class Node:
    """One node's ledger, spoken to one share at a time."""

    def __init__(self, client, name):
        self.client = client
        self.ledger = Ledger(client.wire, name)
        self.key = client.wire.node_key(name)

    def say(self, sockets):
        """Says how many sockets client 7 has here; returns the count of all nodes."""
        pipe = self.client.redis.pipeline(transaction=False)
        self.ledger.say(pipe, [Share(7, sockets, VALUE)])
        return pipe.execute()[0][0]

    def held(self):
        return int(self.client.redis.hget(self.key, 7) or 0)


def left(client):
    """Returns the keys that are left, but for those that stay."""
    wire = client.wire
    leases = {wire.lease_key("a:1"), wire.lease_key("a:2")}
    stays = {wire.nodes_key, wire.presence_key, *leases}
    return {key.decode() for key in client.redis.keys()} - stays


@pytest.fixture
def client(redis_url):
    client = ImClient(redis=redis_url, servers=["a"])
    yield client
    client.redis.close()


@pytest.fixture
def node(client):
    return Node(client, "a:1")


@pytest.fixture
def heard(client):
    """Returns a function that gives the events since the last call."""
    pubsub = client.redis.pubsub()
    pubsub.psubscribe("evt_*")
    assert pubsub.get_message(timeout=5)["type"] == "psubscribe"

    def events():
        client.redis.publish("evt_end", "{}")
        found = []
        while True:
            message = pubsub.get_message(timeout=5)
            if message["channel"] == b"evt_end":
                return found
            kind = message["channel"].decode().replace("evt_im_v2_ws", "")
            found.append((kind, json.loads(message["data"])["Item3"]))

    yield events
    pubsub.close()


def test_each_socket_is_one_event_with_the_count_after_it(node, heard):
    assert [node.say(count) for count in (1, 2, 1, 0)] == [1, 2, 1, 0]
    assert heard() == [("Online", 1), ("Online", 2), ("Offline", 1), ("Offline", 0)]


def test_saying_the_same_again_changes_nothing_and_is_no_event(node, heard):
    assert [node.say(count) for count in (2, 2, 2)] == [2, 2, 2]
    assert heard() == [("Online", 1), ("Online", 2)]
    assert [node.say(count) for count in (0, 0)] == [0, 0]
    assert heard() == [("Offline", 1), ("Offline", 0)]


def test_a_jump_is_told_socket_by_socket(node, heard):
    assert node.say(3) == 3
    assert heard() == [("Online", 1), ("Online", 2), ("Online", 3)]
    assert node.say(0) == 0
    assert heard() == [("Offline", 2), ("Offline", 1), ("Offline", 0)]


def test_the_event_is_the_token_value_and_the_count(client, node):
    pubsub = client.redis.pubsub()
    pubsub.subscribe("evt_im_v2_wsOnline")
    assert pubsub.get_message(timeout=5)["type"] == "subscribe"
    node.say(1)
    data = pubsub.get_message(timeout=5)["data"]
    assert data == b'{"Item1":7,"Item2":"meta","Item3":1}'
    pubsub.close()


def test_nodes_add_up_and_touch_their_own_share_only(client, node, heard):
    other = Node(client, "a:2")
    assert [node.say(2), other.say(1), node.say(0), other.say(0)] == [2, 3, 1, 0]
    assert [count for _, count in heard()] == [1, 2, 3, 2, 1, 0]
    assert left(client) == set()


def test_counts_of_csharp_nodes_stay(client, node):
    client.redis.hset("im_v2_wsOnline", 7, 2)
    assert [node.say(1), node.say(0)] == [3, 2]
    assert client.redis.hget("im_v2_wsOnline", 7) == b"2"


def test_the_count_never_falls_below_zero(client, node, heard):
    node.say(2)
    # Somebody emptied Redis by half.
    client.redis.delete("im_v2_wsOnline")
    heard()
    assert node.say(0) == 0
    assert heard() == [("Offline", 0), ("Offline", 0)]
    assert left(client) == set()


def test_the_last_socket_anywhere_ends_membership_and_no_other(client, node):
    other = Node(client, "a:2")
    node.say(1)
    other.say(1)
    client.join_chan(7, "room", "聊天室")
    client.join_chan(8, "room")
    node.say(0)
    assert sorted(client.get_chan_list()) == [("room", 2), ("聊天室", 1)]
    other.say(0)
    assert client.get_chan_list() == [("room", 1)]
    assert client.get_chan_client_list("room") == [8]
    assert client.get_chan_list_by_client_id(7) == []


def test_a_token_is_gone_once_it_was_taken(client, node):
    client.redis.set(client.wire.token_key("t"), VALUE)
    for expected in (VALUE.encode(), None):
        pipe = client.redis.pipeline(transaction=False)
        node.ledger.take_tokens(pipe, ["t", "u"])
        assert pipe.execute() == [[expected, None]]


def test_totals_are_asked_in_one_command(client, node):
    node.say(2)
    pipe = client.redis.pipeline(transaction=False)
    node.ledger.totals(pipe, [7, 8])
    assert len(pipe) == 1
    assert node.ledger.read_totals([7, 8], pipe.execute()[0]) == {7: 2, 8: 0}


def test_scripts_work_after_redis_forgot_them(client, node):
    node.say(1)
    client.redis.script_flush()
    assert node.say(2) == 2
    assert node.held() == 2


def test_different_clients_do_not_fill_redis_with_scripts(client):
    before = client.redis.info("memory")["number_of_cached_scripts"]
    for number in range(1, 200):
        client.join_chan(number, f"room {number}")
    after = client.redis.info("memory")["number_of_cached_scripts"]
    assert after - before <= 1


def test_the_stream_has_a_client_s_first_socket_and_last_and_no_other(client, node):
    other = Node(client, "a:2")
    for step in (lambda: node.say(2), lambda: other.say(1), lambda: node.say(0)):
        step()
    other.say(0)
    entries = client.redis.xrange(client.wire.presence_key)
    assert [(entry[b"kind"], json.loads(entry[b"value"])) for _, entry in entries] == [
        (b"online", {"Item1": 7, "Item2": "meta", "Item3": 2}),
        (b"offline", {"Item1": 7, "Item2": "meta", "Item3": 0}),
    ]


def late_word(node, sockets):
    """Returns a word that is said now, but reaches Redis when it is called."""
    pipe = node.client.redis.pipeline(transaction=False)
    node.ledger.say(pipe, [Share(7, sockets, VALUE)])
    return lambda: pipe.execute()[0]


def test_a_word_that_comes_late_does_not_undo_a_later_one(client, node, heard):
    late = late_word(node, 1)
    assert node.say(0) == 0
    assert late() == [0]
    assert (node.held(), heard()) == (0, [])
    late = late_word(node, 2)
    assert node.say(1) == 1
    assert late() == [1]
    assert (node.held(), heard()) == (1, [("Online", 1)])


def test_a_total_that_somebody_took_away_is_raised_to_what_our_nodes_hold(
    client, node, heard
):
    other = Node(client, "a:2")
    node.say(2)
    other.say(1)
    heard()
    client.redis.delete("im_v2_wsOnline")

    def mend():
        pipe = client.redis.pipeline(transaction=False)
        node.ledger.mend_total(pipe, Share(7, 2, VALUE))
        return pipe.execute()[0]

    assert (mend(), mend()) == (1, 0)
    assert client.redis.hget("im_v2_wsOnline", 7) == b"3"
    assert heard() == [("Online", 1), ("Online", 2), ("Online", 3)]
    # What C# nodes count on top stays.
    client.redis.hset("im_v2_wsOnline", 7, 5)
    assert mend() == 0
    assert client.redis.hget("im_v2_wsOnline", 7) == b"5"
