"""Incoming bytes to what they ask of the relay; wsproto behind a narrow seam.

Clients have nothing to say to the relay: their messages are read and thrown away. What
counts is that they answer pings, and close.
"""

from __future__ import annotations

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from .deflate import Inflater
from .frames import CloseReason, close_frame, pong_frame
from .limits import Allowance, Limits


__all__ = ["PONG_LENGTH", "Protocol", "only_pongs"]

#: An empty masked pong, RFC 6455 §5.5.3: two bytes of head, four of mask.
PONG_HEAD = b"\x8a\x80"
PONG_LENGTH = 6

#: wsproto's codes for what a peer did wrong; anything else is a protocol error.
FAULTS = {
    reason.code: reason
    for reason in (CloseReason.INVALID_DATA, CloseReason.POLICY, CloseReason.TOO_BIG)
}


class Protocol:
    """The receiving half of one socket.

    After each `receive_data`: send `data_to_send()`, then look at `close_received` and
    at `fault`. After a fault the rest of what comes is ignored.
    """

    __slots__ = (
        "_allowance",
        "_connection",
        "_deflates",
        "_message_limit",
        "_to_send",
        "fault",
        "peer",
    )

    def __init__(
        self,
        message_limit: int,
        deflates: bool = False,
        frame_rate: int = 0,
        now: float = 0.0,
    ) -> None:
        """Takes the longest message, as it is when inflated.

        Args:
            deflates: whether the peer may compress its messages.
            frame_rate: frames of any kind that may come in a second; 0 is any number.
            now: the time, by the clock of `receive_data`.
        """
        self._message_limit = message_limit
        self._deflates = deflates
        self._allowance = Allowance(frame_rate, now)
        # Made on the first bytes that are not an empty pong: most sockets never need
        # one, and it takes more memory than the rest of the socket.
        self._connection: Connection | None = None
        self._to_send = b""
        #: What the peer did wrong.
        self.fault: CloseReason | None = None
        #: The code of the peer's close frame, 1005 if it gave none.
        self.peer: int | None = None

    @property
    def close_received(self) -> bool:
        """Whether the peer sent its close frame."""
        return self.peer is not None

    def receive_data(self, data: bytes, now: float = 0.0) -> int:
        """Takes bytes as they come, at any split; returns how many frames ended."""
        if self.fault is not None or self.close_received:
            return 0
        self._allowance.renew(now)
        if self._connection is None:
            if only_pongs(data):
                pongs = len(data) // PONG_LENGTH
                if not self._allowance.take(pongs):
                    self.fault = CloseReason.POLICY
                return pongs
            self._connection = self._parser()
        self._connection.receive_data(data)
        frames = 0
        for event in self._connection.events():
            frames += bool(getattr(event, "frame_finished", True))
            if isinstance(event, (TextMessage, BytesMessage)):
                self._message(event)
            elif isinstance(event, Ping):
                self._to_send += pong_frame(bytes(event.payload))
            elif isinstance(event, CloseConnection):
                self._close(event)
        return frames

    def data_to_send(self) -> bytes:
        """Returns the frames that answer what came, once."""
        data, self._to_send = self._to_send, b""
        return data

    def _parser(self) -> Connection:
        limits = Limits(self._message_limit, self._allowance)
        inflaters = [Inflater(self._message_limit)] if self._deflates else []
        return Connection(ConnectionType.SERVER, [limits, *inflaters])

    def _message(self, event: TextMessage | BytesMessage) -> None:
        """Drops a piece of a message: clients have nothing to say."""

    def _close(self, event: CloseConnection) -> None:
        assert self._connection is not None
        # wsproto reports a fault of the peer as a close, but stays open.
        if self._connection.state is ConnectionState.OPEN:
            self.fault = FAULTS.get(event.code, CloseReason.PROTOCOL_ERROR)
            return
        self.peer = event.code
        # RFC 6455 §5.5.1: answer with the code that came; 1005 stands for none.
        code = 1000 if event.code == 1005 else event.code
        self._to_send += close_frame(code)


def only_pongs(data: bytes) -> bool:
    """Tells whether bytes are nothing but whole empty pongs."""
    if len(data) % PONG_LENGTH:
        return False
    starts = range(0, len(data), PONG_LENGTH)
    return all(data.startswith(PONG_HEAD, start) for start in starts)
