"""The bytes of one connection through the proxy: no thread, no waiting."""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from dataclasses import dataclass


#: The two directions of a connection; a method that is given none means both.
TO_SERVER, TO_CLIENT = DIRECTIONS = ("to_server", "to_client")

#: Bytes that one direction holds before it stops reading.
LIMIT = 1024 * 1024

NEVER = float("inf")


@dataclass(frozen=True)
class Rule:
    """What happens to the bytes of one direction.

    Attributes:
        reads: whether they are taken from the source; if not, they wait there.
        sends: whether they go on; what is read meanwhile is lost.
        delay: seconds between the two.
        size: how many go on at once.
        every: seconds between two such sends.
    """

    reads: bool = True
    sends: bool = True
    delay: float = 0.0
    size: int | None = None
    every: float = 0.0


PASS, MUTE, HOLE = Rule(), Rule(sends=False), Rule(reads=False, sends=False)


class Link:
    """A connection: the client's socket, the one to the server, and both ways."""

    def __init__(self, near, far, rules):
        self.near, self.far = near, far
        self.flows = {
            TO_SERVER: Flow(near, far, rules[TO_SERVER]),
            TO_CLIENT: Flow(far, near, rules[TO_CLIENT]),
        }

    def due(self):
        return min(flow.due() for flow in self.flows.values())

    def events(self, sock):
        events = 0
        for flow in self.flows.values():
            if flow.source is sock and flow.thirsty:
                events |= selectors.EVENT_READ
            if flow.sink is sock and flow.full:
                events |= selectors.EVENT_WRITE
        return events


class Flow:
    """One direction of a connection."""

    def __init__(self, source, sink, rule):
        self.source, self.sink, self.rule = source, sink, rule
        #: (when it was read, bytes)
        self._pending = deque()
        self._size = 0
        self._next_at = 0.0
        self._ended = False
        #: Whether the sink takes no more for now.
        self.full = False
        #: Whether the end was passed on.
        self.done = False

    @property
    def thirsty(self):
        return self.rule.reads and not self._ended and self._size < LIMIT

    def switch(self, rule):
        self.rule, self._next_at = rule, 0.0

    def due(self):
        """Returns when something can be passed on."""
        if self.done or self.full or not self.rule.sends:
            return NEVER
        if self._pending:
            return max(self._next_at, self._pending[0][0] + self.rule.delay)
        return 0.0 if self._ended else NEVER

    def read(self):
        """Reads once; returns how many bytes were thrown away."""
        if not self.thirsty:
            return 0
        try:
            data = self.source.recv(65536)
        except BlockingIOError:
            return 0
        if not self.rule.sends and data:
            return len(data)
        if data:
            self._pending.append((time.monotonic(), data))
            self._size += len(data)
        else:
            self._ended = True
        return 0

    def write(self):
        """Passes on what is due."""
        now = time.monotonic()
        while self._pending and self.due() <= now:
            read_at, data = self._pending.popleft()
            try:
                sent = self.sink.send(data[: self.rule.size])
            except BlockingIOError:
                self.full, sent = True, 0
            self._size -= sent
            if sent < len(data):
                self._pending.appendleft((read_at, data[sent:]))
            self._next_at = now + self.rule.every
        if self.due() == 0.0 and not self._pending:
            self.sink.shutdown(socket.SHUT_WR)
            self.done = True
