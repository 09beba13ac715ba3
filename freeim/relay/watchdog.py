"""Finds out whether the subscription still hears, by speaking to it through Redis.

Nothing else would say so: a dead path, a stalled server and a master that was demoted
while nobody could reach it all look like a channel on which nothing happens.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, Callable

import gevent
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from ..errors import WireError
from ..orders import PROBE, decode_word
from .metrics import Metrics
from .subscriber import Subscriber


__all__ = ["Watchdog"]

logger = logging.getLogger(__name__)

#: Seconds between two probes.
PROBE_INTERVAL = 1.0

#: Seconds of silence, several probes long, after which a subscription is given up.
SILENCE = 5.0

#: redis.conf's default for `client-output-buffer-limit pubsub`, in bytes.
DEFAULT_LIMIT = 32 * 1024 * 1024

#: The share of that limit at which Redis' backlog for us is worth a warning.
ALARM = 0.5

#: What the relay does without when Redis refuses a command.
LOST = {
    "PUBLISH": "a subscription that has fallen silent is not noticed",
    "CONFIG GET": f"a limit of {DEFAULT_LIMIT} bytes is assumed for what it holds back",
    "CLIENT LIST": "a subscription that falls behind is not noticed before it is cut",
}


class Watchdog:
    """Publishes to this node's own channel, once a second, and draws conclusions."""

    def __init__(
        self,
        redis: Any,
        channel: str,
        subscriber: Subscriber,
        on_drain: Callable[[float | None], None],
        metrics: Metrics,
    ) -> None:
        """Takes the channel that the subscriber hears beside the server's.

        Args:
            on_drain: called, in a greenlet of its own, when an operator orders it.
        """
        self._redis = redis
        self._channel = channel
        self._subscriber = subscriber
        self._on_drain = on_drain
        self._metrics = metrics
        subscriber.on_probe = self._heard
        self._greenlet = gevent.Greenlet(self._run)
        self._limit = DEFAULT_LIMIT
        self._alarmed = False
        #: What Redis refused to do, so that it is not asked again.
        self._refused: set[str] = set()
        #: When Redis last took a probe.
        self._probed_at = time.monotonic()
        #: When a probe was sent that was not heard yet.
        self._sent_at: float | None = None

    @property
    def content(self) -> bool:
        """Whether Redis took a probe lately, or may not be asked."""
        return (
            "PUBLISH" in self._refused or time.monotonic() - self._probed_at <= SILENCE
        )

    def start(self) -> None:
        """Starts to probe."""
        self._greenlet.start()

    def stop(self) -> None:
        """Ends it."""
        self._greenlet.kill()

    def _run(self) -> None:
        limit_asked_for = None
        while True:
            gevent.sleep(PROBE_INTERVAL)
            try:
                subscription = self._subscriber.subscription
                if subscription != limit_asked_for:
                    # A new connection, maybe to another Redis.
                    self._ask_limit()
                    limit_asked_for = subscription
                self._probe()
            except (RedisError, OSError) as error:
                logger.debug("! probe: %s", error)
            except Exception:
                # This branch should never run; a deaf relay would be worse.
                logger.exception("unexpected internal error")
            self._check_silence()

    def _probe(self) -> None:
        subscription = self._subscriber.subscription
        self._sent_at = time.monotonic()
        heard_by = self._try("PUBLISH", self._channel, PROBE)
        if heard_by is not None:
            self._probed_at = time.monotonic()
        if heard_by == 0 and subscription == self._subscriber.subscription:
            # This Redis, to which others publish, too, does not know our subscription.
            self._subscriber.renew("Redis that is published to does not know it")
        self._look_at_backlog()

    def _heard(self, body: bytes) -> None:
        try:
            order = decode_word(body)
        except WireError as error:
            logger.warning("< %s: skipped: %s", self._channel, error)
            return
        if order is not None:
            logger.info("< ordered to drain")
            gevent.spawn(self._on_drain, order.window)
        elif self._sent_at is not None:
            self._metrics.probe_round_trip.observe(time.monotonic() - self._sent_at)
            self._sent_at = None

    def _check_silence(self) -> None:
        if "PUBLISH" in self._refused or self._subscriber.silence < SILENCE:
            return
        # The hub may have been at work for so long, with all that came still unread.
        gevent.sleep(0.05)
        if self._subscriber.silence >= SILENCE:
            self._subscriber.renew(f"nothing was heard for {SILENCE:g} s")

    # Redis cuts a subscriber off for which too much waits.

    def _ask_limit(self) -> None:
        answer = self._try("CONFIG GET", "client-output-buffer-limit")
        if not answer:
            return
        words = b" ".join(answer).decode().split()
        # Class, hard limit, soft limit, seconds; 0 is no limit.
        hard = int(words[words.index("pubsub") + 1])
        self._limit = hard or sys.maxsize

    def _look_at_backlog(self) -> None:
        client = self._subscriber.redis_client_id
        answer = client and self._try("CLIENT LIST", "ID", client)
        if not answer:
            return
        fields = dict(field.split("=", 1) for field in answer.decode().split())
        backlog = int(fields.get("omem", 0))
        self._metrics.backlog.set(backlog)
        alarmed = backlog >= self._limit * ALARM
        if alarmed and not self._alarmed:
            logger.warning(
                "! redis holds %d bytes back that this relay does not read fast "
                "enough, and cuts it off at %d",
                backlog,
                self._limit,
            )
        self._alarmed = alarmed

    def _try(self, command: str, *arguments: Any) -> Any:
        """Returns Redis' answer; None if it refuses the command, which is said once."""
        if command in self._refused:
            return None
        try:
            return self._redis.execute_command(*command.split(), *arguments)
        except ResponseError as error:
            # Others mean that this Redis cannot now, not that it never will.
            if type(error) not in (NoPermissionError, ResponseError):
                raise
            self._refused.add(command)
            logger.warning("! redis refuses %s: %s: %s", command, error, LOST[command])
            return None
