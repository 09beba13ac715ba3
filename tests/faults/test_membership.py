"""Members that a relay keeps are never staler than a message: T9."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time

import pytest
import redis

from freeim.commands import ChanMessage
from freeim.scripts import load_script

from ..running import System, clean_environ, wait_until
from .raw import TEXT, RawSocket


pytestmark = pytest.mark.faults

NODES = {"one node": ["node-0"], "two nodes": ["node-0", "node-1"]}

#: Clients that change at the same time, each in a channel of its own.
CLIENTS = range(1, 26)

#: Changes by each way and number of nodes; 10,000 with all of them.
CHANGES = 1250

#: Members of all channels, one for each node: who sees that there was a message at all.
WITNESSES = (101, 102)

#: What everybody is a member of, all the time: its members come from what is known.
HALL = "hall"

#: A change and a message in one script, by other means than ours.
SCRIPT = {
    "join": "redis.call('HSET', KEYS[1], ARGV[1], 0)",
    "leave": "redis.call('HDEL', KEYS[1], ARGV[1])",
}
PUBLISH = " for i = 3, #ARGV do redis.call('PUBLISH', ARGV[i], ARGV[2]) end"


class Room:
    """Clients, the witnesses, and the ways to change channels."""

    def __init__(self, system, stack):
        self.system, self.redis, self.wire = system, system.redis, system.client.wire
        self.servers = [node.server_name for node in system.nodes]
        self.witnesses = WITNESSES[: len(self.servers)]
        self._scripts = {
            "join": load_script("join_chan"),
            "leave": load_script("leave_chan"),
        }
        self._hall = 0
        self.sockets = {}
        for client in [*CLIENTS, *self.witnesses]:
            url = system.client.prev_connect_server(client)
            self.sockets[client] = RawSocket(url, 10)
            stack.callback(self.sockets[client].end)
        self.join_witnesses_and_hall()
        self.changer = None
        self._stack = stack
        #: Messages that a client, or a witness, got or not although it should not.
        self.missed, self.strayed, self.unseen = [], [], []

    def join_witnesses_and_hall(self):
        """Makes those members who always are."""
        pipe = self.redis.pipeline(transaction=False)
        for client in self.sockets:
            self.add(pipe, "join", client, HALL)
        for witness in self.witnesses:
            for client in CLIENTS:
                self.add(pipe, "join", witness, self.chan(client))
        pipe.execute()

    @staticmethod
    def chan(client):
        return f"room-{client}"

    # Ways

    def by_pipeline(self, action, texts, transaction=False):
        pipe = self.redis.pipeline(transaction=transaction)
        for client, text in texts.items():
            self.add(pipe, action, client, self.chan(client))
            self.publish(pipe, client, text)
        pipe.execute()

    def by_multi(self, action, texts):
        self.by_pipeline(action, texts, transaction=True)

    def by_lua(self, action, texts):
        for client, text in texts.items():
            self.redis.eval(
                *(SCRIPT[action] + PUBLISH, 1, self.wire.chan_key(self.chan(client))),
                *(client, self._message(client, text), *self._channels()),
            )

    def by_another_process(self, action, texts):
        if self.changer is None:
            self.changer = self._start_changer()
        for client, text in texts.items():
            line = json.dumps([action, client, self.chan(client), text])
            self.changer.stdin.write(line + "\n")
        self.changer.stdin.write("-\n")
        self.changer.stdin.flush()
        assert self.changer.stdout.readline() == "done\n"

    def add(self, pipe, action, client, chan):
        """Adds a change to a pipeline."""
        wire = self.wire
        keys = [wire.chan_key(chan), wire.client_key(client), wire.list_chan_key]
        self._scripts[action](pipe, keys=keys, args=[str(client), chan])

    def publish(self, pipe, client, text):
        """Adds a message to the channel of a client to a pipeline."""
        for channel in self._channels():
            pipe.publish(channel, self._message(client, text))

    def _channels(self):
        return [self.wire.server_channel(server) for server in self.servers]

    def _message(self, client, text):
        return self.wire.encode_chan(
            ChanMessage(0, self.chan(client), json.dumps(text))
        )

    def _start_changer(self):
        url = self.system.client.options.redis
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.changer", url, ",".join(self.servers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environ(),
        )
        self._stack.enter_context(process)
        self._stack.callback(process.stdin.close)
        return process

    # What came of it

    def check(self, action, texts):
        """Reads all sockets up to a message to everybody, and judges."""
        self._hall += 1
        end = f"end-{self._hall}"
        self.system.client.send_chan_message(0, HALL, end)
        got = self.read(end)
        for client, text in texts.items():
            if action == "join" and got[client] != [text]:
                self.missed.append((client, text, got[client]))
            elif action == "leave" and got[client]:
                self.strayed.append((client, text, got[client]))
        for witness in self.witnesses:
            if sorted(got[witness]) != sorted(texts.values()):
                self.unseen.append((witness, texts, got[witness]))

    def assert_all_was_right(self):
        assert self.missed == [], "had joined before"
        assert self.strayed == [], "had left before"
        assert self.unseen == [], "was a member all the time"

    def read(self, end):
        """Returns what all clients get before a message."""
        return {client: self._read(client, end) for client in self.sockets}

    def _read(self, client, end):
        found = []
        while True:
            opcode, payload = self.sockets[client].recv()
            assert opcode == TEXT, (client, opcode, payload)
            text = json.loads(payload)
            if text == end:
                return found
            found.append(text)

    def texts(self, number):
        return {client: f"{number}-{client}" for client in CLIENTS}

    def metric(self, name):
        return sum(node.metric(name) for node in self.system.nodes)

    def questions(self):
        """Returns how often Redis was asked for the members of a channel."""
        return self.redis.info("commandstats")["cmdstat_hkeys"]["calls"]

    # Connections

    def kill(self, kind):
        """Returns the commands that end the relays' connections of a kind."""
        clients = self.redis.client_list()
        flags = {"reader": "t", "subscription": "P"}[kind]
        ids = [one["id"] for one in clients if flags in one["flags"]]
        assert len(ids) == len(self.servers), clients
        return [("CLIENT", "KILL", "ID", one) for one in ids]


WAYS = {
    "pipeline": Room.by_pipeline,
    "MULTI": Room.by_multi,
    "Lua": Room.by_lua,
    "another process": Room.by_another_process,
}


@pytest.fixture(params=NODES)
def room(redis_url, request):
    with contextlib.ExitStack() as stack:
        system = stack.enter_context(
            System(redis_url, "freeim relay", NODES[request.param])
        )
        yield Room(system, stack)


@pytest.mark.parametrize("way", WAYS)
def test_members_are_right_at_once(room, way):
    change, begin = WAYS[way], time.monotonic()
    for number in range(CHANGES // len(CLIENTS)):
        action = "leave" if number % 2 else "join"
        texts = room.texts(number)
        change(room, action, texts)
        room.check(action, texts)
    seconds = time.monotonic() - begin
    room.assert_all_was_right()
    print(f"{CHANGES} changes by {way} in {seconds:.1f} s: 0 missed, 0 strayed")
    # Else the test would be one of asking each time.
    assert room.metric("freeim_member_cache_hits_total") >= CHANGES // len(CLIENTS) - 2


def test_what_does_not_change_is_asked_for_once(room):
    room.check("join", {})
    before, messages = room.questions(), 200
    for number in range(messages):
        room.system.client.send_chan_message(0, "room-1", number)
    for witness in room.witnesses:
        for number in range(messages):
            assert room.sockets[witness].recv() == (TEXT, str(number).encode())
    asked = room.questions() - before
    print(f"asked {asked} times for {messages} messages")
    assert asked <= len(room.servers)


def test_a_reader_that_is_killed_leaves_nothing_stale(room):
    rounds = 20
    for number in range(rounds):
        action = "leave" if number % 2 else "join"
        texts = room.texts(number)
        # So that all is known, and by a reader that is there.
        room.check(action, {})
        pipe = room.redis.pipeline(transaction=False)
        for command in room.kill("reader"):
            pipe.execute_command(*command)
        for client, text in texts.items():
            room.add(pipe, action, client, room.chan(client))
            room.publish(pipe, client, text)
        pipe.execute()
        room.check(action, texts)
    room.assert_all_was_right()
    print(f"{rounds} kills of readers: 0 of {rounds * len(CLIENTS)} stale")


def test_a_subscription_that_is_killed_leaves_nothing_stale(room):
    rounds = 4
    for number in range(rounds):
        action, opposite = ("leave", "join") if number % 2 else ("join", "leave")
        gaps = room.metric("freeim_subscription_gaps_total") + len(room.servers)
        pipe = room.redis.pipeline(transaction=True)
        for command in room.kill("subscription"):
            pipe.execute_command(*command)
        # Nobody listens, so nobody is told.
        for client in CLIENTS:
            room.add(pipe, action, client, room.chan(client))
        pipe.execute()
        wait_until(
            lambda gaps=gaps: room.metric("freeim_subscription_gaps_total") == gaps,
            "subscribed again",
        )
        texts = room.texts(number)
        pipe = room.redis.pipeline(transaction=False)
        for client, text in texts.items():
            room.publish(pipe, client, text)
        pipe.execute()
        room.check(action, texts)
        # The new subscription hears of changes.
        for change in (opposite, action):
            room.by_pipeline(change, texts)
            room.check(change, texts)
    room.assert_all_was_right()
    hits = room.metric("freeim_member_cache_hits_total")
    room.check("join", {})
    room.check("join", {})
    assert room.metric("freeim_member_cache_hits_total") > hits, "they are kept again"
    print(f"{rounds} kills of subscriptions: 0 of {rounds * 3 * len(CLIENTS)} stale")


def test_an_emptied_redis_leaves_nothing_stale(redis_url):
    # The nodes must not find out, and reap each other for the leases that are gone.
    with contextlib.ExitStack() as stack:
        system = stack.enter_context(
            System(redis_url, "freeim relay", NODES["two nodes"], lease_ttl=600)
        )
        room = Room(system, stack)
        for number in range(10):
            texts = room.texts(number)
            room.by_pipeline("join", texts)
            room.check("join", texts)
            pipe = room.redis.pipeline(transaction=False)
            pipe.flushall()
            for client, text in texts.items():
                room.publish(pipe, client, text)
            pipe.execute()
            # Nobody is in the hall. And who joins before all is delivered may get it.
            system.client.send_broadcast_message("emptied")
            got = room.read("emptied")
            assert not any(got.values()), got
            room.join_witnesses_and_hall()
        room.assert_all_was_right()


def test_a_relay_that_may_not_hear_of_changes_asks_each_time(redis_url):
    with contextlib.ExitStack() as stack:
        admin = stack.enter_context(redis.Redis.from_url(redis_url))
        admin.execute_command(
            *("ACL", "SETUSER", "relay", "on", ">secret", "~*", "+@all"),
            *("resetchannels", "&im_v2*", "&evt_im_v2*"),
        )
        stack.callback(admin.acl_deluser, "relay")
        relays = redis_url.replace("redis://", "redis://relay:secret@")
        system = stack.enter_context(
            System(redis_url, "freeim relay", NODES["one node"], relay_redis=relays)
        )
        room = Room(system, stack)
        for number, action in enumerate(["join", "leave"] * 2):
            texts = room.texts(number)
            room.by_pipeline(action, texts)
            room.check(action, texts)
        room.assert_all_was_right()
        assert room.metric("freeim_member_cache_hits_total") == 0
        lines = [line for line in system.nodes[0].lines if "does not say when" in line]
        assert len(lines) == 1, system.nodes[0].log
        assert (
            "freeim_subscription_gaps_total 0.0" in system.nodes[0].get("/metrics")[1]
        )
