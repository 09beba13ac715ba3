"""Each socket gets its messages in order, whole and once, in one kind of frame."""

from __future__ import annotations

import itertools
import random

import pytest
from gevent import socket

from freeim.relay.connection import Connection
from freeim.relay.fanout import DeflatingFanout, Fanout
from freeim.relay.pace import Pace
from freeim.relay.sending import Terms
from freeim.relay.transport import Transport
from freeim.websocket.deflate import deflated_text_frame
from freeim.websocket.frames import text_frame


#: Long enough to be worth compression, and too short.
LONG, SHORT = b'"' + b"word " * 100 + b'"', b'"hi"'


class Peer:
    """A connection, and the other end of its socket."""

    def __init__(self, client_id, terms, deflates=False):
        ours, self.sock = socket.socketpair()
        self.connection = Connection(
            Transport(ours, b""), client_id, "{}", b"", terms, deflates
        )
        self.connection.start()

    def received(self, size):
        got = b""
        while len(got) < size:
            got += self.sock.recv(1 << 20)
        return got

    def close(self):
        self.sock.close()
        self.connection.wait()


@pytest.fixture
def settled():
    return []


@pytest.fixture
def peer(settled):
    peers = []
    terms = Terms(
        outbox_limit=1 << 20,
        message_limit=1 << 16,
        frame_rate=0,
        on_end=lambda one: None,
        on_settled=lambda *it: settled.append(it),
    )
    ids = itertools.count(1)

    def make(deflates=False):
        peers.append(Peer(next(ids), terms, deflates))
        return peers[-1]

    yield make
    for one in peers:
        one.close()


def frames_for(deflates, contents):
    to_frame = deflated_text_frame if deflates else text_frame
    return b"".join(map(to_frame, contents))


FANOUTS = pytest.mark.parametrize("make", [Fanout, DeflatingFanout])


@FANOUTS
def test_a_room_gets_all_messages_in_order(make, peer):
    peers = [peer() for _ in range(3)]
    room = [one.connection for one in peers]
    fanout = make(Pace())
    contents = [b"%d" % number for number in range(20)]
    for content in contents:
        fanout.add(room, content)
    fanout.flush()
    expected = frames_for(False, contents)
    assert [one.received(len(expected)) for one in peers] == [expected] * 3


@FANOUTS
def test_nothing_is_written_before_the_flush_nor_twice(make, peer):
    one = peer()
    fanout = make(Pace())
    fanout.add([one.connection], SHORT)
    assert one.connection.sent == 0
    fanout.flush()
    fanout.flush()
    assert one.connection.sent == len(text_frame(SHORT))


@FANOUTS
@pytest.mark.parametrize("seed", range(20))
def test_each_socket_gets_its_messages_in_order_whatever_is_mixed(
    make, seed, peer, settled
):
    chance = random.Random(seed)
    deflating = make is DeflatingFanout
    peers = [peer(deflating and chance.random() < 0.5) for _ in range(5)]
    rooms = [
        [one.connection for one in chance.sample(peers, size)] for size in (1, 2, 3, 5)
    ]
    fanout = make(Pace())
    expected = {one.connection: [] for one in peers}
    marks = []
    for number in range(60):
        content = b'"%d"' % number + chance.choice([b"", LONG])
        kind = chance.choice(["room", "room", "one", "now", "end", "flush"])
        if kind == "room":
            room = chance.choice(rooms)
            for _ in range(chance.randint(1, 3)):
                fanout.add(room, content)
                for connection in room:
                    expected[connection].append(content)
        elif kind == "one":
            connection = chance.choice(peers).connection
            fanout.add([connection], content)
            expected[connection].append(content)
        elif kind == "now":
            connection = chance.choice(peers).connection
            fanout.write_now(connection, content, number)
            expected[connection].append(content)
            marks.append((number, True))
        elif kind == "end":
            fanout.end_run()
        else:
            fanout.flush()
    fanout.flush()
    for one in peers:
        whole = frames_for(one.connection.deflates, expected[one.connection])
        assert one.received(len(whole)) == whole
    assert settled == marks


def test_receivers_may_change_once_the_run_has_ended(peer):
    first, second = peer(), peer()
    changing = [first.connection, second.connection]
    fanout = Fanout(Pace())
    fanout.add(changing, SHORT)
    fanout.end_run()
    changing.clear()
    fanout.flush()
    assert second.received(1) == first.received(1) == text_frame(SHORT)


def test_who_agreed_to_compression_gets_the_compressed_frame_and_nobody_else(peer):
    plain, deflating = peer(), peer(deflates=True)
    fanout = DeflatingFanout(Pace())
    fanout.add([plain.connection, deflating.connection], LONG)
    fanout.flush()
    assert plain.received(len(text_frame(LONG))) == text_frame(LONG)
    short = deflated_text_frame(LONG)
    assert len(short) < len(LONG) / 2
    assert deflating.received(len(short)) == short


def test_a_socket_that_is_full_keeps_the_rest_of_a_room_message(peer):
    slow, quick = peer(), peer()
    contents = [b'"' + b"x" * 100_000 + b'"'] * 8
    fanout = Fanout(Pace())
    for content in contents:
        fanout.add([slow.connection, quick.connection], content)
    fanout.flush()
    whole = frames_for(False, contents)
    assert slow.connection.sent < len(whole)
    assert quick.received(len(whole)) == whole
    assert slow.received(len(whole)) == whole
