"""A connection that only reads, and has Redis tell another one when that changes.

Redis writes the news into the other connection's stream at the moment of the change,
so in front of everything that is published later. That holds in the default mode of
CLIENT TRACKING, not with BCAST, and not for changes by this connection itself: it must
never write.
"""

from __future__ import annotations

import contextlib
import math
import select
import time
from typing import Any, Iterable, Sequence

from gevent import monkey
from redis.exceptions import RedisError, ResponseError

from ..redis_client import connected, subscribing


__all__ = ["TrackedReader", "watch"]

#: Seconds after which a Redis that refused to track is asked again.
RETRY = 10.0

# Not gevent's: it would yield to the hub.
_poll: Any = monkey.get_original("select", "poll")


def watch(sock: Any) -> Any:
    """Returns what tells, by `poll(0)`, whether something can be read from a socket."""
    poll = _poll()
    poll.register(sock.fileno(), select.POLLIN)
    return poll


class TrackedReader:
    """Reads hashes; one greenlet only calls it."""

    def __init__(self, redis: Any, timeout: float) -> None:
        """Takes a client of the Redis to read from, and the seconds for an answer."""
        self._redis = redis
        self._timeout = timeout
        self._connection: Any = None
        self._watch: Any = None
        #: Whether Redis tells of changes to what is read.
        self.tracked = False
        self._retry_at = math.inf

    @property
    def usable(self) -> bool:
        """Whether the connection stands, and there is no reason to make another one.

        Redis tells nobody that a connection it tracked is gone. But the end of its
        stream is here before anything that is published after it.
        """
        if self._connection is None or time.monotonic() >= self._retry_at:
            return False
        # Nothing comes unasked but the end.
        return not self._watch.poll(0)

    def open(self, listener: int | None) -> ResponseError | None:
        """Connects anew.

        Args:
            listener: Redis' number of the connection that is told of changes.

        Returns:
            Redis' reason if it will not tell; what is read is right all the same.
        """
        self.close()
        self._retry_at = math.inf
        self._connection = connected(subscribing(self._redis, self._timeout))
        self._watch = watch(self._connection._sock)
        if listener is None:
            return None
        (answer,) = self._call(["CLIENT", "TRACKING", "ON", "REDIRECT", listener])
        if isinstance(answer, ResponseError):
            self._retry_at = time.monotonic() + RETRY
            return answer
        self.tracked = True
        return None

    def fields(self, keys: Iterable[str]) -> list[list[bytes]]:
        """Returns the fields of each hash, in one round trip.

        Raises:
            RedisError: if Redis was not reached or refused; the connection is closed.
        """
        answers = self._call(*(["HKEYS", key] for key in keys))
        for answer in answers:
            if isinstance(answer, Exception):
                # The keys may have moved to another server.
                self.close()
                raise answer
        return answers

    def close(self) -> None:
        """Ends the connection, and with it what Redis tells."""
        connection, self._connection = self._connection, None
        self.tracked = False
        if connection is not None:
            with contextlib.suppress(RedisError, OSError):
                connection.disconnect()

    def _call(self, *commands: Sequence[Any]) -> list[Any]:
        connection = self._connection
        answers: list[Any] = []
        try:
            connection.send_packed_command(connection.pack_commands(commands))
            for _ in commands:
                try:
                    answers.append(connection.read_response())
                except ResponseError as error:
                    answers.append(error)
        except BaseException:
            # The rest of the answers would be taken for those of the next commands.
            self.close()
            raise
        return answers
