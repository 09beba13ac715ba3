"""What waits to be written to one socket."""

from __future__ import annotations

from enum import Enum
from typing import Any


__all__ = ["Outbox", "Verdict"]


class Verdict(Enum):
    """What became of a frame that was put into an outbox."""

    TAKEN = "taken"
    #: The socket is closing; the frame was dropped.
    CLOSED = "closed"
    #: More than the limit waits already; the frame was dropped.
    SLOW = "slow"


class Outbox:
    """A queue of frames, bounded in bytes, that knows when a frame was written.

    No method here yields to the hub: callers see whole states.
    """

    __slots__ = ("_frames", "_limit", "_marks", "_written", "closed", "size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._frames: list[bytes] = []
        #: (bytes written when the mark's frame is out, mark), in order.
        self._marks: list[tuple[int, Any]] | None = None
        self._written = 0
        #: Bytes that wait.
        self.size = 0
        self.closed = False

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<Outbox {state}, {self.size} bytes in {len(self._frames)} frames>"

    def put(self, frame: bytes, mark: Any = None) -> Verdict:
        """Appends a frame; never blocks.

        One frame may exceed the limit, so that a long message can be sent at all.

        Args:
            mark: handed back by `written` when the frame is out, else by `discard`.
        """
        if self.closed:
            return Verdict.CLOSED
        if self.size >= self._limit:
            return Verdict.SLOW
        self._frames.append(frame)
        self.size += len(frame)
        if mark is not None:
            self.mark(mark)
        return Verdict.TAKEN

    def mark(self, mark: Any) -> None:
        """Marks the end of what waits now."""
        if self._marks is None:
            self._marks = []
        self._marks.append((self._written + self.size, mark))

    def pending(self) -> bytes:
        """Returns all that waits as one piece; call `written` with what was sent."""
        if len(self._frames) > 1:
            self._frames[:] = [b"".join(self._frames)]
        return self._frames[0] if self._frames else b""

    def written(self, count: int) -> list[Any]:
        """Forgets the first bytes of `pending`; returns the marks that are out."""
        rest = self.pending()[count:]
        self._frames[:] = [rest] if rest else []
        self._written += count
        self.size -= count
        if self._marks is None:
            return []
        out = [mark for end, mark in self._marks if end <= self._written]
        self._marks = self._marks[len(out) :] or None
        return out

    def close(self, last: bytes = b"") -> None:
        """Appends a last frame; none is taken after it."""
        if not self.closed:
            self._frames.append(last)
            self.size += len(last)
        self.closed = True

    def discard(self) -> list[Any]:
        """Drops what waits, as the socket is gone; returns the marks with it."""
        self.closed = True
        self._frames.clear()
        self.size = 0
        lost = [mark for _, mark in self._marks or ()]
        self._marks = None
        return lost
