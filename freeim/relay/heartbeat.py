"""Pings that are spread over the interval, and the end of sockets that do not answer.

Two rings of slots, of which each tick takes the next one. In the first a connection
has the same slot for ever, so it is pinged once an interval, and the pings of all are
spread over it. In the second it stands where its deadline falls, and when that comes it
moves on if it was heard meanwhile. One timer serves all sockets.
"""

from __future__ import annotations

import math
from typing import Generic, Protocol, TypeVar


__all__ = ["Heartbeat", "Pinged"]

#: Ticks in one interval.
SLOTS = 50


class Pinged(Protocol):
    """A connection, as a heartbeat sees it; the slots are the heartbeat's own notes."""

    heard_at: float
    ping_slot: int
    deadline_slot: int


P = TypeVar("P", bound=Pinged)


class Heartbeat(Generic[P]):
    """Who is to be pinged and who is silent, tick by tick; it does neither itself.

    No method here yields to the hub: callers see whole states.
    """

    def __init__(self, ping_interval: float, idle_timeout: float) -> None:
        """Takes both times in seconds; the timeout is the longer one."""
        #: Seconds between two pings to one socket, and between two ticks.
        self.interval = ping_interval
        self.tick = ping_interval / SLOTS
        self._idle_timeout = idle_timeout
        self._last_given = 0
        self._ticks = 0
        self._pings: list[set[P]] = [set() for _ in range(SLOTS)]
        ahead = math.ceil(idle_timeout / self.tick)
        self._deadlines: list[set[P]] = [set() for _ in range(ahead + 2)]

    def add(self, connection: P) -> None:
        """Takes a connection in that was heard just now."""
        self._last_given = connection.ping_slot = (self._last_given + 1) % SLOTS
        self._pings[connection.ping_slot].add(connection)
        self._file(connection, self._idle_timeout)

    def remove(self, connection: P) -> None:
        """Forgets a connection."""
        self._pings[connection.ping_slot].discard(connection)
        self._deadlines[connection.deadline_slot].discard(connection)

    def beat(self, now: float) -> tuple[list[P], list[P]]:
        """Moves on by one tick; returns who is to be pinged and who was silent.

        A silent connection is named again at the next tick until it is removed.
        """
        self._ticks += 1
        due = self._deadlines[self._ticks % len(self._deadlines)]
        self._deadlines[self._ticks % len(self._deadlines)] = set()
        silent = []
        for connection in due:
            left = connection.heard_at + self._idle_timeout - now
            if left <= 0:
                silent.append(connection)
            self._file(connection, left)
        return list(self._pings[self._ticks % SLOTS]), silent

    def _file(self, connection: P, seconds: float) -> None:
        ticks = max(1, math.ceil(seconds / self.tick))
        # Never all the way round, should a clock be off.
        ticks = min(ticks, len(self._deadlines) - 1)
        connection.deadline_slot = (self._ticks + ticks) % len(self._deadlines)
        self._deadlines[connection.deadline_slot].add(connection)
