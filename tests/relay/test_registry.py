"""The sockets of a process by client."""

from __future__ import annotations

import pytest

from freeim.relay.registry import Registry


class Socket:
    def __init__(self, client_id):
        self.client_id = client_id


def test_add_answers_how_many_sockets_the_client_has():
    registry = Registry()
    assert [registry.add(Socket(client)) for client in (1, 1, 2, 1)] == [1, 2, 1, 3]


def test_remove_answers_how_many_sockets_are_left():
    registry = Registry()
    first, second, other = Socket(1), Socket(1), Socket(2)
    for one in (first, second, other):
        registry.add(one)
    assert [registry.remove(one) for one in (first, other, second)] == [1, 0, 0]


def test_of_returns_the_sockets_in_the_order_they_came():
    registry = Registry()
    sockets = [Socket(1) for _ in range(3)]
    for one in sockets:
        registry.add(one)
    assert list(registry.of(1)) == sockets
    registry.remove(sockets[1])
    assert list(registry.of(1)) == [sockets[0], sockets[2]]


def test_of_a_client_without_a_socket_is_empty():
    assert list(Registry().of(1)) == []


@pytest.mark.parametrize("client_id", [1, 2])
def test_remove_of_a_socket_that_is_not_here_changes_nothing(client_id):
    registry = Registry()
    registry.add(Socket(1))
    with pytest.raises(KeyError):
        registry.remove(Socket(client_id))
    assert len(registry) == 1
    assert {one.client_id for one in registry.connections()} == {1}


def test_client_is_forgotten_with_its_last_socket():
    registry = Registry()
    one, other = Socket(1), Socket(1)
    registry.add(one)
    registry.add(other)
    registry.remove(one)
    assert {one.client_id for one in registry.connections()} == {1}
    registry.remove(other)
    assert {one.client_id for one in registry.connections()} == set()
    assert len(registry) == 0


def test_connections_may_be_removed_while_they_are_looked_at():
    registry = Registry()
    sockets = [Socket(number % 3) for number in range(9)]
    for one in sockets:
        registry.add(one)
    for one in registry.connections():
        registry.remove(one)
    assert len(registry) == 0


def test_connections_and_len_count_sockets_not_clients():
    registry = Registry()
    sockets = [Socket(client) for client in (1, 1, 2)]
    for one in sockets:
        registry.add(one)
    assert set(registry.connections()) == set(sockets)
    assert len(registry) == 3
    assert repr(registry) == "<Registry 3 sockets of 2 clients>"
