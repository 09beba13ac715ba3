"""Takes the raw socket out of a WSGI request, under each server that we run under.

A plain socket is duplicated: the server closes its own copy when the request ends, and
frees the request's objects, while ours lives on in a shallow greenlet. A TLS socket
cannot be duplicated; it is served inside the request.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from gevent import socket
from gevent.ssl import SSLSocket, SSLWantReadError


__all__ = ["HANDLER", "Door", "Transport", "find_door"]

#: The environ key under which `freeim relay` hands over its request handler.
HANDLER = "freeim.handler"


@dataclass
class Transport:
    """A socket that is ours, and what the server had read of it already."""

    sock: Any
    buffered: bytes
    #: Whether the server closes it when the request ends: TLS.
    borrowed: bool


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
        return Transport(sock, buffered, borrowed=True)
    ours = sock.dup()
    ours.settimeout(None)
    if ours.family != socket.AF_UNIX:
        # A push must not wait for the acknowledgement of the one before.
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Transport(ours, buffered, borrowed=False)
