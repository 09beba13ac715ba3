"""What a batch of messages has for each connection, written once each."""

from __future__ import annotations

import time
from typing import Iterable, Sequence, Union

import gevent

from .connection import Connection


__all__ = ["Fanout"]

#: Seconds of writing after which other greenlets get their turn.
SLICE = 0.005
#: Writes between two looks at the clock.
STEP = 200

#: One piece, or several in order.
Pieces = Union[bytes, "list[bytes]"]


class Fanout:
    """Gathers frames in order; `flush` writes them, one `send` a connection.

    Messages that follow each other and have the same receivers, as those of a room do,
    are one piece: what they cost for each receiver is what one message costs.
    """

    def __init__(self) -> None:
        self._pieces: dict[Connection, Pieces] = {}
        self._receivers: Sequence[Connection] = ()
        self._frames: list[bytes] = []

    def add(self, receivers: Sequence[Connection], frame: bytes) -> None:
        """Adds a frame for some connections.

        The sequence must not change before `flush`; if it is the very one of the last
        call, the frames go together.
        """
        # Micro-optimization (bench: room burst): identity, no comparison.
        if receivers is self._receivers:
            self._frames.append(frame)
            return
        self._end_run()
        self._receivers = receivers
        self._frames = [frame]

    def take(self, connection: Connection) -> bytes:
        """Returns what is there for a connection so far, which is no longer here."""
        self._end_run()
        return _joined(self._pieces.pop(connection, b""))

    def flush(self) -> None:
        """Writes everything, and yields to the hub now and then."""
        if self._pieces:
            self._end_run()
            pieces, self._pieces = self._pieces, {}
            _write((one, _joined(data)) for one, data in pieces.items())
        elif self._frames:
            # Micro-optimization (bench: room burst): all have the same.
            receivers, data = list(self._receivers), b"".join(self._frames)
            self._receivers, self._frames = (), []
            _write((one, data) for one in receivers)

    def _end_run(self) -> None:
        if not self._frames:
            return
        frames, pieces = self._frames, self._pieces
        data = frames[0] if len(frames) == 1 else b"".join(frames)
        for connection in self._receivers:
            earlier = pieces.get(connection)
            if earlier is None:
                pieces[connection] = data
            elif isinstance(earlier, list):
                earlier.append(data)
            else:
                pieces[connection] = [earlier, data]
        self._receivers, self._frames = (), []


def _joined(pieces: Pieces) -> bytes:
    return b"".join(pieces) if isinstance(pieces, list) else pieces


def _write(deliveries: Iterable[tuple[Connection, bytes]]) -> None:
    until = time.monotonic() + SLICE
    written = 0
    for connection, data in deliveries:
        connection.push(data)
        written += 1
        if written % STEP == 0 and time.monotonic() > until:
            gevent.sleep(0)
            until = time.monotonic() + SLICE
