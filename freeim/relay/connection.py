"""One socket: its reader, its outbox and its end."""

from __future__ import annotations

import contextlib
import errno
import logging
import time
from typing import Any, Callable

import gevent

from ..dialects import ClientId
from ..websocket.frames import CloseReason, close_frame, ping_frame
from ..websocket.protocol import Protocol
from .outbox import Outbox, Verdict
from .transport import Transport


__all__ = ["Connection"]

logger = logging.getLogger(__name__)

#: Bytes that are read at once.
READ_SIZE = 16 * 1024

#: Seconds that a peer has for its close frame once ours is out.
CLOSE_TIMEOUT = 2.0

PING = ping_frame()

#: send() would block.
FULL = (errno.EAGAIN, errno.EWOULDBLOCK)


class Connection:
    """A client's socket, after its handshake.

    The reader greenlet (`run`) alone closes it. Only `flush` and the writer greenlet,
    which exists while the socket takes no more, write to it: never both at a time.
    """

    __slots__ = (
        "_frames",
        "_on_end",
        "_on_settled",
        "_opened_at",
        "_protocol",
        "_sock",
        "_transport",
        "_writer",
        "client_id",
        "close_code",
        "deadline_slot",
        "ended",
        "heard_at",
        "outbox",
        "ping_slot",
        "reason",
        "token_value",
    )

    def __init__(
        self,
        transport: Transport,
        client_id: ClientId,
        token_value: str,
        *,
        outbox_limit: int,
        message_limit: int,
        on_end: Callable[[Connection], None],
        on_settled: Callable[[Any, bool], None],
    ) -> None:
        """Stores what a connection needs.

        Args:
            token_value: the JSON of the token it came with.
            on_end: called once, when the socket is closed.
            on_settled: called for each mark with whether its frame was written.
        """
        self._transport = transport
        self._sock = transport.sock
        self._on_end = on_end
        self._on_settled = on_settled
        self._protocol = Protocol(message_limit)
        self._writer: gevent.Greenlet[[], None] | None = None
        self.client_id = client_id
        self.token_value = token_value
        self.outbox = Outbox(outbox_limit)
        #: Why it is closing, once it is.
        self.reason: CloseReason | None = None
        self.close_code = 0
        self.ended = False
        self._frames = 0
        self._opened_at = self.heard_at = time.monotonic()
        #: The heartbeat's notes.
        self.ping_slot = self.deadline_slot = 0

    def __repr__(self) -> str:
        state = self.reason.name if self.reason else "OPEN"
        return f"<Connection {id(self):x} client={self.client_id} {state}>"

    # Sending

    def send(self, frame: bytes, mark: Any = None) -> None:
        """Queues a frame; call `flush` after the last one. Never blocks."""
        verdict = self.outbox.put(frame, mark)
        if verdict is Verdict.SLOW:
            # It may only be that nobody flushed yet.
            self.flush()
            verdict = self.outbox.put(frame, mark)
        if verdict is Verdict.TAKEN:
            self._frames += 1
            return
        if mark is not None:
            self._on_settled(mark, False)
        if verdict is Verdict.SLOW:
            self.close(CloseReason.SLOW)

    def flush(self) -> None:
        """Writes what the socket takes now; a writer greenlet does the rest."""
        if self._writer is not None or self.ended or not self.outbox.size:
            return
        if not self._transport.borrowed:
            try:
                # 0.0: raise instead of waiting.
                sent = self._sock.send(self.outbox.pending(), 0, 0.0)
            except OSError as error:
                if error.errno not in FULL:
                    self._lose(error)
                    return
                sent = 0
            self._settle(sent)
        if self.outbox.size:
            self._writer = gevent.spawn(self._write)

    def ping(self) -> None:
        """Asks the peer for a sign of life."""
        if self.outbox.put(PING) is Verdict.TAKEN:
            self.flush()

    def close(self, reason: CloseReason, code: int | None = None) -> None:
        """Sends a close frame and gives the peer some time to answer. Never blocks."""
        if self.reason is not None or self.ended:
            return
        self.reason = reason
        self.close_code = code or reason.code
        logger.debug("= %r %d %s", self, self.close_code, reason.text)
        self.outbox.close(close_frame(self.close_code, reason.text))
        self.flush()
        gevent.spawn_later(CLOSE_TIMEOUT, self.cut)

    def cut(self) -> None:
        """Wakes the reader, which closes: another greenlet must not. Never blocks."""
        if not self.ended:
            with contextlib.suppress(OSError):
                self._sock.shutdown(2)

    # Receiving

    def run(self) -> None:
        """Reads until the end, then closes the socket; ends the greenlet's work."""
        try:
            self.flush()
            data = self._transport.buffered
            self._transport.buffered = b""
            while not self._protocol.close_received:
                if data:
                    self._receive(data)
                if self._protocol.close_received:
                    break
                data = self._sock.recv(READ_SIZE)
                if not data:
                    break
        except OSError as error:
            logger.debug("! %r %s", self, error)
        except Exception:
            # This branch should never run: it's a safety net in case of bugs.
            logger.exception("unexpected internal error")
            self.close(CloseReason.INTERNAL_ERROR)
        finally:
            self._end()

    def _receive(self, data: bytes) -> None:
        self.heard_at = time.monotonic()
        self._protocol.receive_data(data)
        answer = self._protocol.data_to_send()
        if self._protocol.close_received:
            # RFC 6455 §5.5.1: nothing may follow a close frame.
            self.outbox.close(answer)
        elif answer:
            # A peer that floods us with pings and reads no pong is slow, too.
            self.send(answer)
        if answer:
            self.flush()
        if self._protocol.fault is not None:
            self.close(self._protocol.fault)

    def _end(self) -> None:
        if self._protocol.close_received and self._writer is not None:
            # The peer still reads: give it our close frame.
            self._writer.join(CLOSE_TIMEOUT)
        self.ended = True
        if self.reason is None:
            peer = self._protocol.peer
            self.reason = CloseReason.LOST if peer is None else CloseReason.NORMAL
            self.close_code = peer or self.reason.code
        if self._writer is not None:
            self._writer.kill()
        for mark in self.outbox.discard():
            self._on_settled(mark, False)
        with contextlib.suppress(OSError):
            self._sock.shutdown(2)
        with contextlib.suppress(OSError):
            self._sock.close()
        seconds = time.monotonic() - self._opened_at
        logger.debug(
            "= %r ended with %d after %.1f s and %d frames",
            self,
            self.close_code,
            seconds,
            self._frames,
        )
        self._on_end(self)

    # Writing

    def _write(self) -> None:
        try:
            while self.outbox.size:
                self._settle(self._sock.send(self.outbox.pending()))
        except OSError as error:
            self._lose(error)
        finally:
            self._writer = None

    def _settle(self, sent: int) -> None:
        for mark in self.outbox.written(sent):
            self._on_settled(mark, True)

    def _lose(self, error: OSError) -> None:
        logger.debug("! %r %s", self, error)
        self.cut()
