"""Takes the raw socket out of a WSGI request, under each server that we run under.

A plain socket is taken out of the server's hands: its request ends, and with it all
that the server kept for it, while the socket lives on without a greenlet. A TLS socket
cannot be taken; its request lasts as long as it does.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Callable, Mapping

import gevent
from gevent import monkey, socket
from gevent.ssl import SSLSocket, SSLWantReadError, SSLWantWriteError


__all__ = ["FULL", "HANDLER", "Door", "Transport", "find_door"]

#: The environ key under which `freeim relay` hands over its request handler.
HANDLER = "freeim.handler"

#: What `send` and `receive` raise when they would have to wait.
FULL = (BlockingIOError, SSLWantReadError, SSLWantWriteError)

#: Bytes that are read at once.
READ_SIZE = 16 * 1024

#: libev's events.
READ, WRITE = 1, 2


class Transport:
    """A socket that is ours, that never waits, and that the event loop watches.

    `send` writes what the socket takes now and returns how much, or raises one of
    `FULL`.
    """

    __slots__ = ("_buffered", "_reading", "_sock", "_writing", "send")

    #: Whether the server closes it when the request ends: TLS.
    borrowed = False

    def __init__(self, sock: Any, buffered: bytes) -> None:
        """Takes what the server had read of it already, too."""
        self._sock = sock
        self._buffered = buffered
        self._reading: Any = None
        self._writing: Any = None
        self.send: Callable[[bytes], int] = sock.send

    def take_buffered(self) -> bytes:
        """Returns what the server had read ahead, once."""
        data, self._buffered = self._buffered, b""
        return data

    def receive(self) -> bytes:
        """Returns what has come; nothing at the end of the stream."""
        return bytes(self._sock.recv(READ_SIZE))

    def listen(self, on_readable: Callable[[], None]) -> None:
        """Has a function called in the hub whenever something comes."""
        self._reading = gevent.get_hub().loop.io(self._sock.fileno(), READ)
        self._reading.start(on_readable)

    def when_writable(self, on_writable: Callable[[], None]) -> None:
        """Has a function called in the hub while more can be written."""
        if self._writing is None:
            self._writing = gevent.get_hub().loop.io(self._sock.fileno(), WRITE)
            self._writing.start(on_writable)

    def stop_writing(self) -> None:
        """Ends what `when_writable` began."""
        if self._writing is not None:
            self._writing.stop()
            self._writing.close()
            self._writing = None

    def end_writing(self) -> None:
        """Ends our half of the stream: the peer sees the end behind what was sent."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def shutdown(self) -> None:
        """Ends the stream in both directions; the end can be read then."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes the socket; the loop calls nothing any more."""
        self.stop_writing()
        if self._reading is not None:
            self._reading.stop()
            self._reading.close()
            self._reading = None
        self.shutdown()
        with contextlib.suppress(OSError):
            self._sock.close()


class TlsTransport(Transport):
    """The same for a socket of `ssl`, on which gevent's calls do not wait, either."""

    __slots__ = ()

    borrowed = True

    def __init__(self, sock: Any, buffered: bytes) -> None:
        sock.settimeout(0.0)
        super().__init__(sock, buffered)

    def end_writing(self) -> None:
        # TLS would be taken off both halves: the peer has until it is cut off.
        pass

    def receive(self) -> bytes:
        # What was decrypted already makes no socket readable: take all there is.
        pieces = [super().receive()]
        while pieces[-1] and self._sock.pending():
            pieces.append(super().receive())
        return b"".join(pieces)


@dataclass
class Door:
    """One way from a WSGI request to its socket."""

    #: Whether the 101 is out already (gevent-websocket's own worker).
    upgraded: bool
    #: Takes the socket; the server must not touch it any more.
    take: Callable[[], Transport]
    #: Returns or raises what ends the request without a response.
    leave: Callable[[], list[bytes]]


def find_door(environ: Mapping[str, Any]) -> Door | None:
    """Returns the door of this server, None under one that hands no socket over."""
    for key, door in _DOORS.items():
        if environ.get(key) is not None:
            return door(environ)
    return None


def _gunicorn(environ: Mapping[str, Any]) -> Door:
    """`gunicorn -k gevent`."""

    def take() -> Transport:
        # What the client sent behind its request is in the parser, not in the socket.
        unreader = environ["wsgi.input"].reader.unreader
        buffered = unreader.buf.getvalue()
        return _take(environ["gunicorn.socket"], buffered)

    def leave() -> list[bytes]:
        # The one way out in which gunicorn neither writes a response nor logs an error.
        raise StopIteration

    return Door(upgraded=False, take=take, leave=leave)


def _gevent_websocket(environ: Mapping[str, Any]) -> Door:
    """`gunicorn -k geventwebsocket.gunicorn.workers.GeventWebSocketWorker`."""
    websocket = environ["wsgi.websocket"]

    def take() -> Transport:
        transport = _take_from_handler(websocket.handler)
        # Else it would write a close frame of its own into our socket.
        websocket.stream, websocket.closed = None, True
        return transport

    return Door(upgraded=True, take=take, leave=list)


def _freeim_relay(environ: Mapping[str, Any]) -> Door:
    """`freeim relay`, `server.py`."""
    handler = environ[HANDLER]
    return Door(upgraded=False, take=lambda: _take_from_handler(handler), leave=list)


#: gevent-websocket's key comes first: its requests may carry others beside it.
_DOORS: Mapping[str, Callable[[Mapping[str, Any]], Door]] = {
    "wsgi.websocket": _gevent_websocket,
    HANDLER: _freeim_relay,
    "gunicorn.socket": _gunicorn,
}


def _take_from_handler(handler: Any) -> Transport:
    sock = handler.socket
    transport = _take(sock, _read_ahead(sock, handler.rfile))
    # An open reader would keep the server's copy of the socket open.
    handler.rfile.close()
    # pywsgi ends the request of a handler without a socket at once; with one, it would
    # read from it first.
    handler.close_connection = True
    handler.socket = None
    return transport


def _read_ahead(sock: Any, rfile: Any) -> bytes:
    """Returns what a buffered reader holds, without waiting for more."""
    timeout = sock.gettimeout()
    sock.settimeout(0.0)
    try:
        with contextlib.suppress(BlockingIOError, SSLWantReadError):
            return bytes(rfile.peek())
        return b""
    finally:
        sock.settimeout(timeout)


def _take(sock: Any, buffered: bytes) -> Transport:
    if isinstance(sock, SSLSocket):
        return TlsTransport(sock, buffered)
    if sock.family != socket.AF_UNIX:
        # A push must not wait for the acknowledgement of the one before.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    family, kind, protocol = sock.family, sock.type, sock.proto
    # The server closes what is left of its own, which is nothing.
    ours = _plain_socket()(family, kind, protocol, sock.detach())
    ours.setblocking(False)
    return Transport(ours, buffered)


@lru_cache(maxsize=None)
def _plain_socket() -> Any:
    """Returns the standard library's class: gevent's brings two watchers of its own."""
    return monkey.get_original("socket", "socket")
