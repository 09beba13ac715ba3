"""The greenlet that hears this server's Redis channel and hands on batches."""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import ssl
import time
from typing import Any, Callable

import gevent
import hiredis
from gevent.event import Event
from redis.exceptions import ConnectionError, RedisError, ResponseError, TimeoutError

from ..redis_client import connected, subscribing
from .members import INVALIDATIONS, Members
from .metrics import Metrics
from .pace import Pace
from .tracked_reader import watch


__all__ = ["Subscriber"]

logger = logging.getLogger(__name__)

#: Bytes that one read takes, and so the size of a batch: all that has arrived. The more
#: of them, the more messages share one write to a socket; some 100 ms of work at most.
READ_SIZE = 4 * 1024 * 1024

#: Bytes that hiredis is given at once: it moves what is left of them with each message.
FEED_SIZE = 16 * 1024

#: Seconds before the first and between the last attempts to reach Redis again.
FIRST_RETRY, LAST_RETRY = 0.05, 1.0

#: Seconds within which a Redis must have been found and have taken the subscription.
#: Together with LAST_RETRY the time after which a path that has healed is in use again.
CONFIRM_TIMEOUT = 1.0


class Subscriber:
    """Keeps one subscription alive, for ever; says when it was not.

    Redis forgets what it publishes while nobody listens. Each time the subscription
    was lost is a gap, which is counted and logged.
    """

    def __init__(
        self,
        redis: Any,
        channel: str,
        probe_channel: str,
        on_batch: Callable[[list[bytes], Callable[[], list[bytes]]], None],
        on_subscribed: Callable[[], None],
        on_gap: Callable[[], None],
        members: Members,
        metrics: Metrics,
    ) -> None:
        """Takes a client of the Redis to subscribe at, and who gets the messages.

        Args:
            probe_channel: is heard, too; what comes there is given to `on_probe`.
            on_subscribed: called when the subscription stands.
            on_gap: called, after that, when it stands again after it was lost.
            members: are told what changed before any message that came later.
        """
        self._redis = redis
        self._channel = channel
        self._probe_channel = probe_channel
        self._on_batch = on_batch
        self._on_subscribed = on_subscribed
        self._on_gap = on_gap
        self._members = members
        self._metrics = metrics
        self._greenlet = gevent.Greenlet(self._run)
        #: Set while the subscription stands.
        self.subscribed = Event()
        #: How many subscriptions there were.
        self.subscription = 0
        #: Redis' own number of our connection; None if it would not say.
        self.redis_client_id: int | None = None
        #: Called with what comes on the probe channel; may not wait.
        self.on_probe: Callable[[bytes], Any] = bool
        self._sock: Any = None
        self._watch: Any = None
        self._reader: Any = None
        self._buffer = bytearray(READ_SIZE)
        #: Ends with the confirmation of the subscription.
        self._confirm: Any = None
        #: Since when nothing has come; None while we work on what did.
        self._silent_since: float | None = None
        self._given_up: str | None = None

    @property
    def silence(self) -> float:
        """Seconds for which the subscription has heard nothing; 0 if there is none."""
        if self._silent_since is None or not self.subscribed.is_set():
            return 0.0
        return time.monotonic() - self._silent_since

    def start(self) -> None:
        """Starts to listen."""
        self._greenlet.start()

    def stop(self) -> None:
        """Ends the subscription."""
        self._greenlet.kill()

    def renew(self, reason: str) -> None:
        """Gives the subscription up for another one."""
        if self._sock is not None:
            self._given_up = reason
            # Wakes the reader, which closes: another greenlet must not.
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

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
                self._members.follow(None)
            gevent.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, LAST_RETRY)

    def _listen(self) -> None:
        connection: Any = None
        confirm = gevent.Timeout(
            CONFIRM_TIMEOUT, TimeoutError(f"no answer for {CONFIRM_TIMEOUT:g} s")
        )
        try:
            with confirm:
                connection = connected(subscribing(self._redis))
                self.redis_client_id = _client_id(connection)
                connection.send_command("SUBSCRIBE", self._channel, self._probe_channel)
                # By itself, and after: an ACL may refuse it, and we do without.
                connection.send_command("SUBSCRIBE", INVALIDATIONS)
                # redis-py connects, authenticates and selects; from here on we read
                # ourselves: what one read brings is one batch, and a message in two
                # pieces is nothing special. redis-py hands out single messages only,
                # and loses one that is late.
                self._sock, self._given_up = connection._sock, None
                self._read(confirm)
        finally:
            self._sock = None
            if connection is not None:
                with contextlib.suppress(RedisError, OSError):
                    connection.disconnect()

    def _read(self, confirm: gevent.Timeout) -> None:
        self._reader, self._confirm = hiredis.Reader(), confirm
        self._watch = watch(self._sock)
        while True:
            self._silent_since = time.monotonic()
            batch = self._receive()
            if batch is None:
                raise ConnectionError(self._given_up or "closed by Redis")
            if batch:
                self._on_batch(batch, self._more)

    def _more(self) -> list[bytes]:
        """Returns what has arrived since the last batch, without waiting."""
        # TLS may wait for the rest of a record.
        if isinstance(self._sock, ssl.SSLSocket) or not self._watch.poll(0):
            return []
        try:
            return self._receive() or []
        except OSError:
            # What was taken so far has to be delivered; `_read` finds the end again.
            return []

    def _receive(self) -> list[bytes] | None:
        """Returns the messages in what one read brings; None at the end."""
        size = self._sock.recv_into(self._buffer)
        self._silent_since = None
        if not size:
            return None
        batch: list[bytes] = []
        pace = Pace()
        for begin in range(0, size, FEED_SIZE):
            if pace.tired:
                pace.give_way()
            self._reader.feed(self._buffer, begin, min(FEED_SIZE, size - begin))
            self._parse(batch)
        return batch

    def _parse(self, batch: list[bytes]) -> None:
        own = self._channel.encode()
        for reply in iter(self._reader.gets, False):
            if isinstance(reply, Exception):
                if not self.subscribed.is_set():
                    raise reply
                self._members.go_without(reply)
                continue
            kind, channel, body = reply
            if channel == INVALIDATIONS:
                # At once, and so before any message of this batch is looked up.
                self._note_change(kind, body)
            elif channel != own:
                if kind == b"message":
                    self.on_probe(body)
            elif kind == b"message":
                batch.append(body)
            elif kind == b"subscribe":
                self._confirm.cancel()
                self._note_subscription()

    def _note_change(self, kind: bytes, keys: Any) -> None:
        if kind == b"subscribe":
            self._members.follow(self.redis_client_id)
        else:
            self._members.drop(keys)

    def _note_subscription(self) -> None:
        self.subscription += 1
        self._metrics.subscribed.set(1)
        self._on_subscribed()
        self.subscribed.set()
        if self.subscription > 1:
            self._metrics.count_gap()
            logger.warning(
                "< subscribed to %s again: messages were missed", self._channel
            )
            self._on_gap()


def _client_id(connection: Any) -> int | None:
    connection.send_command("CLIENT", "ID")
    try:
        return int(connection.read_response())
    except ResponseError:
        # It is needed to look at how much Redis holds back for us, and to keep members;
        # the relay can do without both.
        return None
