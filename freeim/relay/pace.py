"""When a long piece of work gives way to everything else in the process."""

from __future__ import annotations

import time
from typing import Iterator, Sequence, TypeVar

import gevent


__all__ = ["BRIEF", "Pace"]

T = TypeVar("T")

#: Seconds of work after which other greenlets and the sockets get their turn. A
#: handshake takes some ten turns, each of which a flood may make that long.
SLICE = 0.005

#: Things done between two looks at the clock.
STEP = 100

#: Seconds of a sleep that the event loop must look at its sockets for. After
#: `sleep(0)`, which only lets other greenlets run, it does so every 50th time.
BRIEF = 1e-9


class Pace:
    """Measures one greenlet's work."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until = time.monotonic() + SLICE

    @property
    def tired(self) -> bool:
        """Whether it is time to give way."""
        return time.monotonic() > self._until

    def give_way(self) -> None:
        """Lets everybody else work, and the loop look at its sockets."""
        gevent.sleep(BRIEF)
        self._until = time.monotonic() + SLICE

    def steps(self, work: Sequence[T]) -> Iterator[Sequence[T]]:
        """Yields the work in small parts; gives way between them when it is time."""
        if len(work) <= STEP:
            yield work
            return
        for begin in range(0, len(work), STEP):
            if self.tired:
                self.give_way()
            yield work[begin : begin + STEP]
