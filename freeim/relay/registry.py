"""The sockets of this process by client."""

from __future__ import annotations

from typing import Generic, Iterable, Protocol, Sequence, TypeVar

from ..dialects import ClientId


__all__ = ["Registry"]


class HasClient(Protocol):
    """Whatever belongs to one client."""

    @property
    def client_id(self) -> ClientId: ...


C = TypeVar("C", bound=HasClient)


class Registry(Generic[C]):
    """client id -> its connections, in the order they came.

    No method here yields to the hub: callers see whole states.
    """

    def __init__(self) -> None:
        self._by_client: dict[ClientId, list[C]] = {}
        self._size = 0
        #: Grows whenever a connection comes or goes.
        self.version = 0

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"<Registry {self._size} sockets of {len(self._by_client)} clients>"

    def add(self, connection: C) -> int:
        """Adds a connection; returns how many its client has now."""
        connections = self._by_client.setdefault(connection.client_id, [])
        connections.append(connection)
        self._size += 1
        self.version += 1
        return len(connections)

    def remove(self, connection: C) -> int:
        """Removes a connection; returns how many its client has left.

        Raises:
            KeyError: if it is not here.
        """
        connections = self._by_client[connection.client_id]
        if connection not in connections:
            raise KeyError(connection)
        connections.remove(connection)
        self._size -= 1
        self.version += 1
        if not connections:
            del self._by_client[connection.client_id]
        return len(connections)

    def of(self, client_id: ClientId) -> Sequence[C]:
        """Returns the connections of a client; not to be kept."""
        return self._by_client.get(client_id, ())

    def of_all(self, client_ids: Iterable[ClientId]) -> list[C]:
        """Returns the connections of several clients, as a list of its own."""
        get, found = self._by_client.get, []
        for client_id in client_ids:
            connections = get(client_id)
            if connections is not None:
                found += connections
        return found

    def connections(self) -> list[C]:
        """Returns all connections, as a list of its own."""
        return [one for several in self._by_client.values() for one in several]
