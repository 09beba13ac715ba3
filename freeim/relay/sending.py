"""The half of a connection that writes."""

from __future__ import annotations

from typing import Any, Callable, Iterable, NamedTuple

from ..websocket.frames import CloseReason, ping_frame
from .outbox import Outbox, Verdict
from .transport import FULL, Transport


__all__ = ["Sending", "Terms", "push_each"]

PING = ping_frame()


class Terms(NamedTuple):
    """What the connections of a relay have in common."""

    outbox_limit: int
    message_limit: int
    frame_rate: int
    #: Called once with each connection, when its socket is closed.
    on_end: Callable[[Any], None]
    #: Called for each mark with whether its frame was written.
    on_settled: Callable[[Any, bool], None]


class Sending:
    """Writes what the socket takes now; what it does not waits in an outbox.

    No method here yields to the hub: callers see whole states.
    """

    __slots__ = (
        "_outbox",
        "_send",
        "_terms",
        "_transport",
        "ended",
        "frames_out",
        "reason",
        "sent",
    )

    def __init__(self, transport: Transport, head: bytes, terms: Terms) -> None:
        """Takes what is sent before any frame."""
        self._transport = transport
        self._send = transport.send
        self._terms = terms
        #: There while something waits to be written.
        self._outbox: Outbox | None = Outbox(terms.outbox_limit)
        self._outbox.put(head)
        #: Why it is closing, once it is.
        self.reason: CloseReason | None = None
        self.ended = False
        #: Bytes that the kernel took, and frames of messages.
        self.sent = self.frames_out = 0

    @property
    def waiting(self) -> int:
        """Bytes that the socket has not taken yet."""
        return 0 if self._outbox is None else self._outbox.size

    def push(self, data: bytes) -> None:
        """Writes whole frames, as far as the socket takes them now; the rest waits."""
        # Micro-optimization (bench: room burst, direct): the usual case, by itself.
        if self._outbox is None and self.reason is None:
            try:
                sent = self._send(data)
            except FULL:
                sent = 0
            except OSError as error:
                self._finish(error)
                return
            self.sent += sent
            if sent == len(data):
                return
            self._hold(data[sent:])
        else:
            self._queue(data, None)

    def send(self, frame: bytes, mark: Any) -> None:
        """Writes a frame like `push`, and reports what became of it."""
        self.frames_out += 1
        if self._outbox is not None or self.reason is not None:
            self._queue(frame, mark)
            return
        self.push(frame)
        if self._outbox is not None:
            self._outbox.mark(mark)
        else:
            self._terms.on_settled(mark, self.reason is None)

    def ping(self) -> None:
        """Asks the peer for a sign of life."""
        if self._outbox is None:
            self.push(PING)
        else:
            self._outbox.put(PING)

    def close(self, reason: CloseReason, code: int | None = None) -> None:
        """Sends a close frame and gives the peer some time to answer."""
        raise NotImplementedError

    def _finish(self, error: OSError | None = None) -> None:
        """Ends the connection, as its socket has."""
        raise NotImplementedError

    def _all_written(self) -> None:
        """Goes on when nothing waits any more."""
        raise NotImplementedError

    def _hold(self, rest: bytes) -> None:
        """Keeps what the socket did not take until it can."""
        self._outbox = Outbox(self._terms.outbox_limit)
        self._outbox.put(rest)
        self._transport.when_writable(self._flush)

    def _queue(self, data: bytes, mark: Any) -> None:
        verdict = Verdict.CLOSED
        if self._outbox is not None and self.reason is None:
            verdict = self._outbox.put(data, mark)
        if verdict is Verdict.TAKEN:
            return
        if mark is not None:
            self._terms.on_settled(mark, False)
        if verdict is Verdict.SLOW:
            self.close(CloseReason.SLOW)

    def _flush(self) -> None:
        """Writes what waits; stays to be called until nothing does."""
        outbox = self._outbox
        if outbox is None or self.ended:
            return
        try:
            sent = self._send(outbox.pending())
        except FULL:
            sent = 0
        except OSError as error:
            self._finish(error)
            return
        self.sent += sent
        settled = outbox.written(sent)
        if outbox.size:
            self._transport.when_writable(self._flush)
        else:
            self._outbox = None
            self._transport.stop_writing()
            self._all_written()
        for mark in settled:
            self._terms.on_settled(mark, True)


def push_each(connections: Iterable[Sending], data: bytes, frames: int) -> None:
    """Pushes the same frames to several connections."""
    size = len(data)
    for one in connections:
        one.frames_out += frames
        # Micro-optimization (bench: room lag): `push`, for those who can take it.
        if one._outbox is None and one.reason is None:
            try:
                sent = one._send(data)
            except FULL:
                sent = 0
            except OSError as error:
                one._finish(error)
                continue
            one.sent += sent
            if sent != size:
                one._hold(data[sent:])
        else:
            one._queue(data, None)
