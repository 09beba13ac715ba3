"""Caps on sockets: in all, by address, under way, and in a second."""

from __future__ import annotations

import pytest

from freeim.relay.caps import Caps
from freeim.websocket.handshake import BUSY, FULL, IP_FULL, TOO_FAST


def enter(caps, address="192.0.2.1", now=0.0):
    """Has one come in and arrive at once; returns the refusal."""
    refusal = caps.enter(address, now)
    if refusal is None:
        caps.arrive()
    return refusal


def test_no_cap_is_none():
    caps = Caps(total=0, per_ip=0, per_second=0)
    assert {enter(caps) for _ in range(10_000)} == {None}


def test_total_is_held_until_one_leaves():
    caps = Caps(total=2, per_ip=0, per_second=0)
    assert [enter(caps) for _ in range(3)] == [None, None, FULL]
    caps.leave("192.0.2.1")
    assert [enter(caps) for _ in range(2)] == [None, FULL]


def test_an_address_has_its_own_cap():
    caps = Caps(total=0, per_ip=2, per_second=0)
    assert [enter(caps, "a") for _ in range(3)] == [None, None, IP_FULL]
    assert enter(caps, "b") is None
    caps.leave("a")
    assert [enter(caps, "a") for _ in range(2)] == [None, IP_FULL]
    for one in "aab":
        caps.leave(one)
    assert caps._by_ip == {}


def test_ipv6_counts_by_network():
    caps = Caps(total=0, per_ip=1, per_second=0)
    assert enter(caps, "2001:db8::1") is None
    assert enter(caps, "2001:db8::2") is IP_FULL
    caps.leave("2001:db8::1")
    assert enter(caps, "2001:db8::2") is None


def test_who_has_no_address_is_not_counted_by_it():
    caps = Caps(total=0, per_ip=1, per_second=0)
    assert [enter(caps, "") for _ in range(3)] == [None] * 3
    caps.leave("")


def test_handshakes_under_way_have_a_cap():
    caps = Caps(total=0, per_ip=0, per_second=0)
    caps.at_once = 2
    assert [caps.enter("a", 0) for _ in range(3)] == [None, None, BUSY]
    caps.arrive()
    assert caps.enter("a", 0) is None


@pytest.mark.parametrize("rate, at_first, each_second", [(5, 5, 5), (0.5, 1, 0)])
def test_connects_come_at_their_rate(rate, at_first, each_second):
    caps = Caps(total=0, per_ip=0, per_second=rate)
    taken = [enter(caps, now=100.0) for _ in range(10)]
    assert taken == [None] * at_first + [TOO_FAST] * (10 - at_first)
    # A quiet hour earns no more than one second does.
    taken = [enter(caps, now=4000.0) for _ in range(10)]
    assert taken.count(None) == at_first
    taken = [enter(caps, now=4000.0 + tenth / 10) for tenth in range(1, 11)]
    assert abs(taken.count(None) - each_second) <= 1


def test_a_refused_one_costs_nothing():
    caps = Caps(total=1, per_ip=1, per_second=2)
    assert enter(caps) is None
    assert [enter(caps) for _ in range(5)] == [FULL] * 5
    caps.leave("192.0.2.1")
    assert enter(caps) is None
