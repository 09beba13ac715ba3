"""The greenlet that hears this server's Redis channel and hands on batches."""

from __future__ import annotations

import contextlib
import logging
import random
from typing import Any, Callable

import gevent
import hiredis
from gevent.event import Event
from redis.exceptions import ConnectionError, RedisError

from ..redis_client import subscribing
from .metrics import Metrics


__all__ = ["Subscriber"]

logger = logging.getLogger(__name__)

#: Bytes that one read takes, and so the size of a batch.
READ_SIZE = 64 * 1024

#: Seconds before the first and between the last attempts to reach Redis again.
FIRST_RETRY, LAST_RETRY = 0.05, 2.0


class Subscriber:
    """Keeps one subscription alive, for ever; says when it was not.

    Redis forgets what it publishes while nobody listens. Each time the subscription
    was lost is a gap, which is counted and logged.
    """

    def __init__(
        self,
        redis: Any,
        channel: str,
        on_batch: Callable[[list[bytes]], None],
        metrics: Metrics,
    ) -> None:
        """Takes a client of the Redis to subscribe at, and who gets the messages."""
        self._redis = redis
        self._channel = channel
        self._on_batch = on_batch
        self._metrics = metrics
        self._greenlet = gevent.Greenlet(self._run)
        #: Set while the subscription stands.
        self.subscribed = Event()
        self._subscriptions = 0

    def start(self) -> None:
        """Starts to listen."""
        self._greenlet.start()

    def stop(self) -> None:
        """Ends the subscription."""
        self._greenlet.kill()

    def _run(self) -> None:
        pause = FIRST_RETRY
        while True:
            try:
                self._listen()
            except (RedisError, OSError) as error:
                if self.subscribed.is_set():
                    pause = FIRST_RETRY
                logger.warning("! redis: subscription lost: %s", error)
            except Exception:
                # This branch should never run; a deaf relay would be worse.
                logger.exception("unexpected internal error")
            finally:
                self.subscribed.clear()
                self._metrics.subscribed.set(0)
            gevent.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, LAST_RETRY)

    def _listen(self) -> None:
        pool = subscribing(self._redis).connection_pool
        connection: Any = pool.get_connection()
        try:
            connection.send_command("SUBSCRIBE", self._channel)
            # redis-py connects, authenticates and selects; from here on we read
            # ourselves: what one read brings is one batch, and a message in two pieces
            # is nothing special. redis-py hands out single messages only, and loses
            # one that is late.
            self._read(connection._sock)
        finally:
            with contextlib.suppress(RedisError, OSError):
                connection.disconnect()

    def _read(self, sock: Any) -> None:
        reader = hiredis.Reader()
        while True:
            data = sock.recv(READ_SIZE)
            if not data:
                raise ConnectionError("closed by Redis")
            reader.feed(data)
            batch = []
            for reply in iter(reader.gets, False):
                message = self._take(reply)
                if message is not None:
                    batch.append(message)
            if batch:
                self._on_batch(batch)

    def _take(self, reply: Any) -> bytes | None:
        if isinstance(reply, Exception):
            raise reply
        if reply[0] == b"message":
            return bytes(reply[2])
        if reply[0] == b"subscribe":
            self._note_subscription()
        return None

    def _note_subscription(self) -> None:
        self._subscriptions += 1
        if self._subscriptions > 1:
            self._metrics.gaps.inc()
            logger.warning(
                "< subscribed to %s again: messages were missed", self._channel
            )
        self._metrics.subscribed.set(1)
        self.subscribed.set()
