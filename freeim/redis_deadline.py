"""Connections on which a whole answer, not each piece of it, has a limit in time.

redis-py limits each read. A new connection needs an answer to each step of its
handshake, and an answer may come in crumbs: a call could take many times its limit.
"""

from __future__ import annotations

import socket
import time
from builtins import TimeoutError as OSTimeoutError
from typing import Any

from redis.connection import (
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.exceptions import ConnectionError, TimeoutError


__all__ = ["BOUNDED", "BoundedConnection", "BoundedSSLConnection"]


class DeadlineSocket:
    """A socket whose reads, however many, end by a point in time."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._timeout = sock.gettimeout()
        self._until: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def allow(self, seconds: float | None) -> None:
        """Sets the time from now on; None is no limit."""
        self._until = None if seconds is None else time.monotonic() + seconds

    def settimeout(self, seconds: float | None) -> None:
        self._timeout = seconds
        self._sock.settimeout(seconds)

    def recv(self, *args: Any) -> bytes:
        self._limit()
        return bytes(self._sock.recv(*args))

    def recv_into(self, *args: Any) -> int:
        self._limit()
        return int(self._sock.recv_into(*args))

    def _limit(self) -> None:
        # 0 asks for what is there already.
        if self._until is None or self._timeout == 0:
            return
        left = self._until - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        if self._timeout is not None:
            left = min(left, self._timeout)
        self._sock.settimeout(left)


class _Bounded:
    """`socket_connect_timeout` is for a whole handshake, `socket_timeout` an answer.

    An answer is that to all commands which were sent together.
    """

    _sock: Any
    socket_connect_timeout: float | None
    socket_timeout: float | None
    _shaking_hands = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # To tell the server which library asks would be two more round trips. The
        # arguments for it have changed their names, and the old ones warn.
        vars(self).update(driver_info=None, lib_name=None, lib_version=None)

    def connect(self) -> None:
        self._shaking_hands = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self._shaking_hands = False

    def _connect(self) -> Any:
        sock = super()._connect()  # type: ignore[misc]
        if self.socket_timeout is None:
            # A subscriber's: it may wait for ever.
            return sock
        bounded = DeadlineSocket(sock)
        bounded.allow(self.socket_connect_timeout)
        return bounded

    def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        if not self._shaking_hands and isinstance(self._sock, DeadlineSocket):
            self._sock.allow(self.socket_timeout)
        super().send_packed_command(*args, **kwargs)  # type: ignore[misc]

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ConnectionError as error:
            # Under Python 3.8 and 3.9, redis-py with hiredis takes its own time-out for
            # a connection that broke; one that broke is asked again.
            if isinstance(error.__context__, OSTimeoutError):
                raise TimeoutError("Timeout reading from socket") from error
            raise


class BoundedConnection(_Bounded, Connection):
    """A connection by TCP."""


class BoundedSSLConnection(_Bounded, SSLConnection):
    """A connection by TLS."""


class BoundedUnixConnection(_Bounded, UnixDomainSocketConnection):
    """A connection by a Unix socket."""


#: redis-py's class → ours.
BOUNDED: dict[type, type] = {
    Connection: BoundedConnection,
    SSLConnection: BoundedSSLConnection,
    UnixDomainSocketConnection: BoundedUnixConnection,
}
