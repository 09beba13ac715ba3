"""Pings and silence, in simulated time."""

from __future__ import annotations

from collections import Counter

import pytest

from freeim.relay.heartbeat import SLOTS, Heartbeat


#: (ping_interval, idle_timeout) in seconds.
TIMES = pytest.mark.parametrize(
    "ping_interval, idle_timeout",
    [(25, 35), (25, 26), (25, 25.1), (25, 50), (25, 65), (10, 60), (10, 63), (1, 1.5)],
)


class Peer:
    """A connection whose peer answers each ping after `delay`, until it is `gone`."""

    def __init__(self, opened_at=0.0, delay=0.0, gone=float("inf")):
        self.heard_at = opened_at
        self.ping_slot = self.deadline_slot = 0
        self.delay = delay
        self.gone = gone
        self._answers = []

    def ping(self, now):
        self._answers.append(now + self.delay)

    def listen(self, now):
        """Hears what was said by now."""
        said = [at for at in self._answers if at <= now and at < self.gone]
        self.heard_at = max([self.heard_at, *said])
        self._answers = [at for at in self._answers if at > now]


def beat(heartbeat, peers, seconds):
    """Beats for so long; yields (now, who is silent) for each tick."""
    for number in range(1, round(seconds / heartbeat.tick) + 1):
        now = number * heartbeat.tick
        for peer in peers:
            peer.listen(now)
        due, silent = heartbeat.beat(now)
        for peer in due:
            peer.ping(now)
            peer.listen(now)
        yield now, silent


def found_at(heartbeat, peer, seconds):
    """Returns when a peer is first said to be silent, or None."""
    found = [now for now, silent in beat(heartbeat, [peer], seconds) if peer in silent]
    return found[0] if found else None


def pinged(heartbeat, ticks):
    """Beats some ticks in no time; returns everybody who was to be pinged."""
    return [one for _ in range(ticks) for one in heartbeat.beat(0.0)[0]]


@pytest.mark.parametrize("before", [0, 1, 7, SLOTS - 1, SLOTS])
def test_each_connection_is_pinged_exactly_once_an_interval(before):
    heartbeat = Heartbeat(25, 35)
    pinged(heartbeat, before)
    peers = [Peer() for _ in range(137)]
    for peer in peers:
        heartbeat.add(peer)
    for _ in range(3):
        assert Counter(pinged(heartbeat, SLOTS)) == Counter(peers)


def test_ticks_of_one_interval_last_as_long_as_it():
    assert Heartbeat(25, 35).tick * SLOTS == 25


def test_pings_are_spread_over_the_interval():
    heartbeat = Heartbeat(25, 35)
    for _ in range(SLOTS * 10):
        heartbeat.add(Peer())
    assert {len(pinged(heartbeat, 1)) for _ in range(SLOTS)} == {10}


def test_connection_that_comes_during_the_beat_is_pinged_within_one_interval():
    heartbeat = Heartbeat(25, 35)
    for _ in range(SLOTS * 2):
        peer = Peer()
        heartbeat.add(peer)
        assert pinged(heartbeat, SLOTS).count(peer) == 1
        pinged(heartbeat, 1)


def test_removed_connection_is_neither_pinged_nor_silent():
    heartbeat = Heartbeat(25, 35)
    peer, other = Peer(), Peer()
    heartbeat.add(peer)
    heartbeat.add(other)
    heartbeat.remove(peer)
    heartbeat.remove(peer)
    seen = pinged(heartbeat, SLOTS)
    seen += [one for _, silent in beat(heartbeat, [], 100) for one in silent]
    assert set(seen) == {other}


def test_silent_connection_is_named_until_it_is_removed():
    heartbeat = Heartbeat(25, 35)
    peer = Peer(gone=0)
    heartbeat.add(peer)
    names = [silent for _, silent in beat(heartbeat, [peer], 40)]
    assert names[-3:] == [[peer]] * 3


@TIMES
def test_one_that_answers_no_more_is_found_within_the_timeout_and_a_tick(
    ping_interval, idle_timeout
):
    heartbeat = Heartbeat(ping_interval, idle_timeout)
    peer = Peer(gone=2.5 * ping_interval)
    heartbeat.add(peer)
    found = found_at(heartbeat, peer, 5 * ping_interval + 2 * idle_timeout)
    assert idle_timeout - heartbeat.tick <= found - peer.heard_at
    assert found - peer.heard_at <= idle_timeout + heartbeat.tick


@TIMES
def test_one_that_spoke_last_at_any_moment_is_found_within_the_timeout_and_a_tick(
    ping_interval, idle_timeout
):
    heartbeat = Heartbeat(ping_interval, idle_timeout)
    # The handshake, a message or a late pong is the last that was heard of each.
    peers = [Peer(opened_at=n * ping_interval / 97, gone=0) for n in range(97)]
    for peer in peers:
        heartbeat.add(peer)
    found = {}
    for now, silent in beat(heartbeat, peers, 5 * ping_interval + 2 * idle_timeout):
        for peer in silent:
            found.setdefault(peer, now - peer.heard_at)
    assert len(found) == len(peers)
    assert idle_timeout - heartbeat.tick <= min(found.values())
    assert max(found.values()) <= idle_timeout + heartbeat.tick


@TIMES
@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_one_that_answers_in_time_is_never_silent(ping_interval, idle_timeout, part):
    heartbeat = Heartbeat(ping_interval, idle_timeout)
    room = min(idle_timeout - ping_interval, ping_interval) - heartbeat.tick
    peers = [Peer(delay=part * max(room, 0)) for _ in range(SLOTS)]
    for peer in peers:
        heartbeat.add(peer)
    for _, silent in beat(heartbeat, peers, 5 * ping_interval + 2 * idle_timeout):
        assert silent == []
