"""Pings that are spread over the interval, and the end of sockets that do not answer.

A sequence of slots, one of them due at each tick; a connection stays in the slot it was
given. So one timer serves all sockets, and no two ticks ping the same one.
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar


__all__ = ["Heartbeat", "Pinged"]

#: Ticks in one interval.
SLOTS = 50


class Pinged(Protocol):
    """What a heartbeat needs to know of a connection."""

    @property
    def heard_at(self) -> float: ...


P = TypeVar("P", bound=Pinged)


class Heartbeat(Generic[P]):
    """Who is to be pinged and who is silent, tick by tick; it does neither itself.

    No method here yields to the hub: callers see whole states.
    """

    def __init__(self, ping_interval: float, idle_timeout: float) -> None:
        """Takes both times in seconds; the timeout is the longer one."""
        #: Seconds between two ticks.
        self.tick = ping_interval / SLOTS
        self._idle_timeout = idle_timeout
        # A pong that a ping brings is awaited for the rest of the timeout. Beyond one
        # interval there is another ping in between.
        late = min(idle_timeout - ping_interval, ping_interval)
        self._lag = max(1, round(late / self.tick))
        self._slots: list[set[P]] = [set() for _ in range(SLOTS)]
        self._next = 0
        self._now = 0

    def add(self, connection: P) -> int:
        """Gives a connection a slot, in turn; returns it for `remove`."""
        self._next = (self._next + 1) % SLOTS
        self._slots[self._next].add(connection)
        return self._next

    def remove(self, connection: P, slot: int) -> None:
        """Forgets a connection."""
        self._slots[slot].discard(connection)

    def due(self) -> list[P]:
        """Moves on by one tick; returns who is to be pinged."""
        self._now = (self._now + 1) % SLOTS
        return list(self._slots[self._now])

    def silent(self, now: float) -> list[P]:
        """Returns who should have answered its ping by now and did not."""
        deadline = now - self._idle_timeout
        slot = self._slots[(self._now - self._lag) % SLOTS]
        # Half a tick of grace: the timer's own lateness is not the peer's.
        return [one for one in slot if one.heard_at <= deadline + self.tick / 2]
