"""Connections that follow a place which moves.

One asks for the place when it connects, and one of a pool is compared with what was
found last whenever it is taken out. So the call that meets the change fails, and the
next one goes to the right place. A connection that only waits, as a subscriber's does,
is ended when the place is found elsewhere: at a frozen server it would wait for ever.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from redis.exceptions import (
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    ResponseError,
)

from .redis_deadline import BoundedConnection, BoundedSSLConnection
from .redis_place import NoWitness, Place
from .redis_url import Address


__all__ = ["PlacedConnection", "PlacedSSLConnection"]

#: What a server answers that is not, or no longer, the right one.
ELSEWHERE = (ClusterDownError, MovedError, ReadOnlyError)


class PlacedConnection(BoundedConnection):
    """A connection to wherever a place is."""

    def __init__(self, *, place: Place, **kwargs: Any) -> None:
        """Takes the place beside what redis-py's connection takes, but no address."""
        # First: redis-py disconnects what it could not make.
        self._place = place
        self._address: Address | None = None
        super().__init__(**kwargs)

    def connect(self) -> None:
        """Connects to the place; a pool calls it before each use."""
        if self._sock is not None and not self._stays():
            self.disconnect()
        if self._sock is None:
            waits = self.socket_timeout is None
            self._address = self.host, self.port = self._place.find(certain=waits)
            if waits:
                self._place.waiting.add(self.leave)
            super().connect()

    def disconnect(self, *args: Any, **kwargs: Any) -> None:
        """Disconnects; whatever the reason was, the place is asked for again."""
        self._place.waiting.discard(self.leave)
        self._place.forget(self._address)
        super().disconnect(*args, **kwargs)  # type: ignore[no-untyped-call]

    def leave(self, address: Address) -> None:
        """Has the reader see the end of its stream, if the place is elsewhere now."""
        sock = self._sock
        if sock is not None and address != self._address:
            # Not closed: another thread is reading it.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Reads an answer; one that points elsewhere has the place asked for again."""
        try:
            return super().read_response(*args, **kwargs)
        except ResponseError as error:
            # redis-py 5.0 has no class for MOVED here. The connection stays: the other
            # answers of a pipeline are still to be read.
            if isinstance(error, ELSEWHERE) or str(error).startswith("MOVED "):
                self._place.forget(self._address)
            raise

    def _stays(self) -> bool:
        if self._place.known is None:
            try:
                self._place.find()
            except NoWitness:
                # Nobody knows better, and most likely it is only they who are away.
                self._place.known = self._address
        return self._place.known == self._address


class PlacedSSLConnection(PlacedConnection, BoundedSSLConnection):
    """The same with TLS."""
