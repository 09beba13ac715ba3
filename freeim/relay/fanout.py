"""What a batch of messages has for each connection, written once each."""

from __future__ import annotations

from itertools import islice
from typing import Any, Callable, Sequence, Union

from ..websocket.deflate import deflated_text_frame
from ..websocket.frames import text_frame
from .connection import Connection
from .pace import STEP, Pace
from .sending import push_each


__all__ = ["DeflatingFanout", "Fanout"]

#: One piece, or several in order.
Pieces = Union[bytes, "list[bytes]"]


class Fanout:
    """Gathers messages in order; `flush` writes them, one `send` a connection.

    Messages that follow each other and have the same receivers, as those of a room do,
    are one piece: what they cost for each receiver is what one message costs.
    """

    def __init__(
        self, pace: Pace, to_frame: Callable[[bytes], bytes] = text_frame
    ) -> None:
        """Takes how a message becomes a frame."""
        self._pace = pace
        self._to_frame = to_frame
        self._pieces: dict[Connection, Pieces] = {}
        self._receivers: Sequence[Connection] = ()
        self._frames: list[bytes] = []

    def add(self, receivers: Sequence[Connection], content: bytes) -> None:
        """Adds a message for some connections.

        The sequence must not change before `end_run`; if it is the very one of the last
        call, the frames go together.
        """
        frame = self._to_frame(content)
        # Micro-optimization (bench: room burst): identity, no comparison.
        if receivers is self._receivers:
            self._frames.append(frame)
            return
        if len(receivers) == 1:
            # Micro-optimization (bench: direct): no run of one.
            if self._frames:
                self.end_run()
            receivers[0].frames_out += 1
            self._append(receivers[0], frame)
            return
        self.end_run()
        self._receivers = receivers
        self._frames = [frame]

    def write_now(self, connection: Connection, content: bytes, mark: Any) -> None:
        """Writes what a connection has so far, and a message that a mark waits for."""
        self.end_run()
        earlier = self._pieces.pop(connection, None)
        if earlier is not None:
            connection.push(_joined(earlier))
        connection.send(self._to_frame(content), mark)

    def flush(self) -> None:
        """Writes everything; gives way to others now and then."""
        if self._frames and not self._pieces:
            # Micro-optimization (bench: room burst): all have the same.
            receivers, data = self._receivers, b"".join(self._frames)
            count = len(self._frames)
            self._receivers, self._frames = (), []
            # A copy: the registry's own may change while others work.
            for part in self._pace.steps(list(receivers)):
                push_each(part, data, count)
            return
        self.end_run()
        pieces, self._pieces = self._pieces, {}
        deliveries = iter(pieces.items())
        for _ in range(0, len(pieces), STEP):
            if self._pace.tired:
                self._pace.give_way()
            for connection, pieces_of_it in islice(deliveries, STEP):
                connection.push(_joined(pieces_of_it))

    def end_run(self) -> None:
        """Notes what was added for each connection; receivers may change after it."""
        if not self._frames:
            return
        frames = self._frames
        data = frames[0] if len(frames) == 1 else b"".join(frames)
        for connection in self._receivers:
            connection.frames_out += len(frames)
            self._append(connection, data)
        self._receivers, self._frames = (), []

    def _append(self, connection: Connection, data: bytes) -> None:
        pieces = self._pieces
        earlier = pieces.get(connection)
        if earlier is None:
            pieces[connection] = data
        elif isinstance(earlier, list):
            earlier.append(data)
        else:
            pieces[connection] = [earlier, data]


class DeflatingFanout:
    """The same where some connections agreed to compression: a fan-out for each kind.

    A message is compressed once, if anybody gets it so; the order that matters is that
    of one connection, which is of one kind for life.
    """

    def __init__(self, pace: Pace) -> None:
        self._plain = Fanout(pace)
        self._deflating = Fanout(pace, deflated_text_frame)
        self._split: Sequence[Connection] = ()
        self._parts: tuple[list[Connection], list[Connection]] = ([], [])

    def add(self, receivers: Sequence[Connection], content: bytes) -> None:
        """Adds a message for some connections, as `Fanout.add` does."""
        if receivers is not self._split:
            self._split = receivers
            self._parts = (
                [one for one in receivers if not one.deflates],
                [one for one in receivers if one.deflates],
            )
        plain, deflating = self._parts
        if plain:
            self._plain.add(plain, content)
        if deflating:
            self._deflating.add(deflating, content)

    def write_now(self, connection: Connection, content: bytes, mark: Any) -> None:
        """Writes what a connection has so far, and a message that a mark waits for."""
        fanout = self._deflating if connection.deflates else self._plain
        fanout.write_now(connection, content, mark)

    def flush(self) -> None:
        """Writes everything; gives way to others now and then."""
        self.end_run()
        self._plain.flush()
        self._deflating.flush()

    def end_run(self) -> None:
        """Notes what was added for each connection; receivers may change after it."""
        self._split = ()
        # The parts are lists of our own, which nobody changes.


def _joined(pieces: Pieces) -> bytes:
    return b"".join(pieces) if isinstance(pieces, list) else pieces
