"""One socket: what comes from it, what goes to it, and its end.

An idle socket has no greenlet: the event loop calls when something comes, or when
more can be written. They run in the hub, so nothing in them may wait. What might wait,
as a log handler does, is left to a greenlet of its own at the end.
"""

from __future__ import annotations

import logging
import time

import gevent
from gevent.event import Event

from ..dialects import ClientId
from ..websocket.address import NOBODY
from ..websocket.frames import CloseReason, close_frame
from ..websocket.protocol import PONG_LENGTH, Protocol, only_pongs
from .sending import Sending, Terms
from .transport import FULL, Transport


__all__ = ["Connection"]

logger = logging.getLogger(__name__)

#: Seconds that a peer has for its close frame once ours is out.
CLOSE_TIMEOUT = 2.0

#: Seconds between two pongs that nobody counts; the answers to our pings are further
#: apart.
PONG_PAUSE = 1.0

#: Bytes of the pongs that may come in one piece to be not counted: some that were held
#: up on the way.
FEW_PONGS = 48


class Connection(Sending):
    """A client's socket, after its token was taken.

    What is pushed before `start` waits, so that nothing comes before the handshake's
    answer. No method but `wait` yields to the hub: callers see whole states.
    """

    __slots__ = (
        "_protocol",
        "_waiter",
        "client_id",
        "close_code",
        "deadline_slot",
        "deflates",
        "frames_in",
        "heard_at",
        "opened_at",
        "ping_slot",
        "received",
        "token_value",
        "visitor",
    )

    def __init__(
        self,
        transport: Transport,
        client_id: ClientId,
        token_value: str,
        head: bytes,
        terms: Terms,
        deflates: bool = False,
    ) -> None:
        """Stores what a connection needs.

        Args:
            token_value: the JSON of the token it came with.
            head: the rest of the handshake, sent before any frame.
            deflates: whether the handshake agreed to permessage-deflate.
        """
        super().__init__(transport, head, terms)
        # Made on the first bytes that are not an empty pong: most sockets never need
        # one.
        self._protocol: Protocol | None = None
        self.client_id = client_id
        self.token_value = token_value
        self.deflates = deflates
        self.close_code = 0
        self.visitor = NOBODY
        #: Bytes and frames that came.
        self.received = self.frames_in = 0
        self.opened_at = self.heard_at = time.monotonic()
        #: The heartbeat's notes.
        self.ping_slot = self.deadline_slot = 0
        #: Set at the end, if somebody waits for it.
        self._waiter: Event | None = None

    def __repr__(self) -> str:
        state = self.reason.name if self.reason else "OPEN"
        return f"<Connection {id(self):x} client={self.client_id} {state}>"

    def start(self) -> None:
        """Sends what waits and begins to listen."""
        self._flush()
        buffered = self._transport.take_buffered()
        if buffered and not self.ended:
            self._received(buffered)
        if not self.ended:
            self._transport.listen(self._readable)
            if self._transport.borrowed:
                # What TLS has decrypted already wakes nobody.
                self._readable()

    def wait(self) -> None:
        """Waits until the connection has ended."""
        if not self.ended:
            self._waiter = Event()
            self._waiter.wait()

    # Closing

    def close(self, reason: CloseReason, code: int | None = None) -> None:
        """Sends a close frame and gives the peer some time to answer."""
        if self.reason is not None:
            return
        frame = close_frame(code or reason.code, reason.text)
        if self._outbox is None:
            self.push(frame)
        else:
            self._outbox.close(frame)
        if self.reason is None:
            self.reason = reason
            self.close_code = code or reason.code
            gevent.spawn_later(CLOSE_TIMEOUT, self.cut)

    def cut(self) -> None:
        """Ends the connection without another word."""
        if not self.ended:
            # Comes back as the end of what can be read.
            self._transport.shutdown()

    def _all_written(self) -> None:
        if self._protocol is not None and self._protocol.close_received:
            self._finish()

    # Receiving

    def _readable(self) -> None:
        try:
            data = self._transport.receive()
        except FULL:
            return
        except OSError as error:
            self._finish(error)
            return
        if data:
            self._received(data)
        else:
            self._finish()

    def _received(self, data: bytes) -> None:
        now = time.monotonic()
        paused, self.heard_at = now - self.heard_at > PONG_PAUSE, now
        self.received += len(data)
        if self._protocol is None:
            if paused and len(data) <= FEW_PONGS and only_pongs(data):
                self.frames_in += len(data) // PONG_LENGTH
                return
            terms = self._terms
            self._protocol = Protocol(
                terms.message_limit, self.deflates, frame_rate=terms.frame_rate, now=now
            )
        try:
            self.frames_in += self._protocol.receive_data(data, now)
        except Exception as error:
            # This branch should never run: it's a safety net in case of bugs.
            gevent.spawn(logger.error, "unexpected internal error", exc_info=error)
            self.close(CloseReason.INTERNAL_ERROR)
            return
        self._answer(self._protocol)

    def _answer(self, protocol: Protocol) -> None:
        answer = protocol.data_to_send()
        if not protocol.close_received:
            if answer:
                # A peer that floods us with pings and reads no pong is slow, too.
                self.push(answer)
            if protocol.fault is not None:
                self.close(protocol.fault)
                if self._outbox is None:
                    # Its close frame will not be found in what comes: the end must do.
                    self._transport.end_writing()
            return
        if self.reason is None:
            # RFC 6455 §5.5.1: nothing may follow a close frame.
            self.push(answer)
            self.reason = CloseReason.NORMAL
            self.close_code = protocol.peer or self.reason.code
            gevent.spawn_later(CLOSE_TIMEOUT, self.cut)
        if self._outbox is None:
            self._finish()

    # The end

    def _finish(self, error: OSError | None = None) -> None:
        """Ends the connection: from here on the loop calls nothing of it."""
        if self.ended:
            return
        self.ended = True
        if self.reason is None:
            self.reason = CloseReason.LOST
            self.close_code = self.reason.code
        self._transport.close()
        gevent.spawn(self._end, error)

    def _end(self, error: OSError | None) -> None:
        outbox, self._outbox = self._outbox, None
        for mark in outbox.discard() if outbox is not None else ():
            self._terms.on_settled(mark, False)
        logger.debug("= %r ended: %s", self, error or self.close_code)
        self._terms.on_end(self)
        if self._waiter is not None:
            self._waiter.set()
