"""Calls of the helper before they go to Redis, and the list in which they may wait.

Nothing here talks to Redis: a step is told the pipeline that it belongs to.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Sequence


__all__ = ["Call", "Held"]

#: Adds one command to a pipeline.
Step = Callable[[Any], Any]


class Call(NamedTuple):
    """One call, checked and encoded: all that is left is to send it."""

    steps: Sequence[Step]
    #: Turns the answers to the steps into what the call returns.
    result: Callable[[Sequence[Any]], Any]
    #: What it returns while it is held.
    held: Any = None
    #: What `on_send` is told before it leaves.
    events: Sequence[Any] = ()


class Held:
    """Calls that wait for the end of a block, maybe of one inside another.

    No method here yields or waits: callers see whole states.
    """

    def __init__(self, outer: Held | None = None) -> None:
        """Takes what the block around holds, if there is one."""
        self._outer = outer
        self._calls: list[Call] = []
        self._open = True

    def add(self, call: Call) -> Any:
        """Keeps a call; returns what its caller gets meanwhile."""
        self._calls.append(call)
        return call.held

    def take(self) -> list[Call]:
        """Returns what waits, in its order, what the blocks around hold before it."""
        calls = self._outer.take() if self._outer else []
        calls += self._calls
        self._calls = []
        return calls

    def close(self, keep: bool) -> list[Call]:
        """Ends the block; returns what is to leave now.

        That is nothing if the block is forgotten, or a part of the one around it.
        """
        self._open = False
        calls, self._calls = self._calls, []
        if not keep:
            return []
        # One that has ended before this one, as generators can have it, is none.
        if self._outer is not None and self._outer._open:
            self._outer._calls += calls
            return []
        return calls
