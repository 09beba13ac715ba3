"""An audience is looked up again when its members or their sockets may have changed."""

from __future__ import annotations

import pytest

from freeim.relay import audience
from freeim.relay.audience import Audiences
from freeim.relay.registry import Registry


class Socket:
    def __init__(self, client_id):
        self.client_id = client_id


@pytest.fixture
def registry():
    made = Registry()
    for client_id in (1, 2, 2, 3):
        made.add(Socket(client_id))
    return made


@pytest.fixture
def audiences(registry):
    return Audiences(registry)


def clients(connections):
    return [one.client_id for one in connections]


def test_audience_is_every_socket_of_the_members_here(audiences):
    assert clients(audiences.of("room", [2, 9, 1])) == [2, 2, 1]


def test_no_members_are_everybody(audiences):
    assert clients(audiences.of(None, None)) == [1, 2, 2, 3]


def test_audience_is_the_same_list_while_nothing_changes(audiences):
    members = [1, 2]
    assert audiences.of("room", members) is audiences.of("room", members)
    assert audiences.of(None, None) is audiences.of(None, None)


def test_other_members_are_looked_up_though_they_are_equal(audiences):
    # What is compared is whether they were read again, not what was read.
    assert audiences.of("room", [1]) is not audiences.of("room", [1])
    assert clients(audiences.of("room", [3])) == [3]


@pytest.mark.parametrize("chan", ["room", None])
def test_who_comes_is_in_the_next_audience(registry, audiences, chan):
    members = [1, 4] if chan else None
    before = audiences.of(chan, members)
    registry.add(Socket(4))
    assert clients(audiences.of(chan, members)) == [*clients(before), 4]


@pytest.mark.parametrize("chan", ["room", None])
def test_who_goes_is_not_in_the_next_audience(registry, audiences, chan):
    members = [2, 1] if chan else None
    audiences.of(chan, members)
    gone = registry.of(2)[0]
    registry.remove(gone)
    assert gone not in audiences.of(chan, members)


def test_audiences_beyond_the_limit_are_not_kept(audiences, monkeypatch):
    monkeypatch.setattr(audience, "LIMIT", 7)
    small, large = [1], [1, 2, 3]
    first = audiences.of("small", small)
    assert audiences.of("small", small) is first
    assert clients(audiences.of("large", large)) == [1, 2, 2, 3]
    # 1 + 1 and 1 + 4 fit; one more does not, and all are looked up again.
    assert audiences.of("small", small) is first
    audiences.of("other", small)
    assert audiences.of("small", small) is not first
