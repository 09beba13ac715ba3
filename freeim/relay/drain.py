"""How a relay that stops parts from its sockets: spread over a window, or at once."""

from __future__ import annotations

import time

import gevent
from gevent.event import Event

from ..websocket.frames import CloseReason
from .connection import CLOSE_TIMEOUT, Connection
from .registry import Registry


__all__ = ["Drain"]

#: Seconds that all peers have for their close frames when there is no time to drain.
HURRIED_CLOSE_TIMEOUT = 0.5


class Drain:
    """Closes every socket with 1001."""

    def __init__(self, registry: Registry[Connection], window: float) -> None:
        """Takes the seconds over which the close frames are spread."""
        self._registry = registry
        self._window = window
        self.begun = False
        #: Set when the last socket has ended.
        self._empty = Event()
        #: Set when it must end at once.
        self._hurry = Event()

    def __repr__(self) -> str:
        return f"<Drain of {len(self._registry)} sockets, begun: {self.begun}>"

    def hurry(self) -> None:
        """Has all that are left closed at once, also if the drain is under way."""
        self._hurry.set()

    def note_end(self) -> None:
        """Takes note that a socket is out of the registry."""
        if self.begun and not len(self._registry):
            self._empty.set()

    def run(self, window: float | None = None) -> None:
        """Returns when all sockets have ended, whatever their peers do.

        Safe to call again while it runs: then the rest is closed over both windows.
        """
        self.begun = True
        window = self._window if window is None else window
        connections = self._registry.connections()
        begin = time.monotonic()
        for number, connection in enumerate(connections):
            due = begin + window * number / len(connections)
            ahead = due - time.monotonic()
            if ahead > 0:
                self._hurry.wait(ahead)
            connection.close(CloseReason.GOING_AWAY)
        if len(self._registry):
            # Each ends within CLOSE_TIMEOUT by itself.
            gevent.wait([self._empty, self._hurry], CLOSE_TIMEOUT + 1, count=1)
        if len(self._registry):
            self._empty.wait(HURRIED_CLOSE_TIMEOUT)
            for connection in self._registry.connections():
                connection.cut()
            self._empty.wait(HURRIED_CLOSE_TIMEOUT)
