"""Which connections the members of a channel have here, kept while nobody moves."""

from __future__ import annotations

from typing import Generic, NamedTuple, Sequence, TypeVar

from ..dialects import ClientId
from .registry import HasClient, Registry


__all__ = ["Audiences"]

C = TypeVar("C", bound=HasClient)

#: Connections in all kept audiences at the most; each is a pointer.
LIMIT = 1_000_000


class _Audience(NamedTuple):
    members: Sequence[ClientId] | None
    version: int
    connections: Sequence[object]


class Audiences(Generic[C]):
    """The connections of channels' members, looked up again when one may have changed.

    No method here yields to the hub.
    """

    def __init__(self, registry: Registry[C]) -> None:
        self._registry = registry
        self._kept: dict[str | None, _Audience] = {}
        #: What counts towards LIMIT; an audience counts as one more.
        self._size = 0

    def of(self, chan: str | None, members: Sequence[ClientId] | None) -> Sequence[C]:
        """Returns the connections of a channel's members; nobody may change the list.

        Args:
            chan: None is everybody.
            members: compared by identity: the same object says that nothing changed.
        """
        kept = self._kept.get(chan)
        if (
            kept is not None
            and kept.members is members
            and kept.version == self._registry.version
        ):
            return kept.connections  # type: ignore[return-value]
        if members is None:
            connections = self._registry.connections()
        else:
            connections = self._registry.of_all(members)
        self._keep(chan, _Audience(members, self._registry.version, connections))
        return connections

    def _keep(self, chan: str | None, audience: _Audience) -> None:
        before = self._kept.pop(chan, None)
        if before is not None:
            self._size -= 1 + len(before.connections)
        self._size += 1 + len(audience.connections)
        if self._size > LIMIT:
            self._kept.clear()
            self._size = 1 + len(audience.connections)
        self._kept[chan] = audience
