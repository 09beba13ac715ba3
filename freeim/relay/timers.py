"""What a relay does again and again: pings, ticks of the roster, checks of presence."""

from __future__ import annotations

import logging
import random
import time
from typing import Callable

import gevent
from redis.exceptions import RedisError

from ..websocket.frames import CloseReason
from .connection import Connection
from .heartbeat import Heartbeat
from .metrics import Metrics
from .pace import BRIEF
from .roster import Roster


__all__ = ["Timers"]

logger = logging.getLogger(__name__)

#: Seconds between two ticks of the roster: attempts to write counts that Redis did not
#: take, the ends of grace periods and, in a drain, of all sockets since the last one.
ROSTER_TICK = 0.5


class Timers:
    """One greenlet for each of them."""

    def __init__(
        self,
        heartbeat: Heartbeat[Connection],
        roster: Roster,
        subscribed: Callable[[], bool],
        check_interval: float,
        metrics: Metrics,
    ) -> None:
        """Takes what is done, and the seconds between two checks.

        Args:
            subscribed: whether Redis is there, as far as one can know.
        """
        self._heartbeat = heartbeat
        self._roster = roster
        self._subscribed = subscribed
        self._check_interval = check_interval
        self._metrics = metrics
        self._greenlets: list[gevent.Greenlet[[], None]] = []

    def start(self) -> None:
        """Starts all of them."""
        timers = (self._beat, self._tick, self._check)
        self._greenlets = [gevent.spawn(timer) for timer in timers]

    def stop(self) -> None:
        """Ends them."""
        gevent.killall(self._greenlets)

    def join(self) -> None:
        """Waits until they have been ended."""
        gevent.joinall(self._greenlets)

    def _beat(self) -> None:
        tick = self._heartbeat.tick
        wake = time.monotonic()
        while True:
            # From tick to tick: a busy process, in which each sleep lasts longer, must
            # not ping less often.
            wake = max(wake, time.monotonic() - self._heartbeat.interval) + tick
            gevent.sleep(max(wake - time.monotonic(), BRIEF))
            due, silent = self._heartbeat.beat(time.monotonic())
            for connection in silent:
                connection.close(CloseReason.SILENT)
            for connection in due:
                connection.ping()

    def _tick(self) -> None:
        while True:
            gevent.sleep(ROSTER_TICK)
            if self._subscribed():
                self._roster.tick()

    def _check(self) -> None:
        """Looks for counts that are wrong although nothing happened to Redis."""
        while True:
            gevent.sleep(self._check_interval * random.uniform(0.9, 1.0))
            try:
                repaired = self._roster.check()
            except (RedisError, OSError) as error:
                logger.debug("! check: %s", error)
                continue
            if repaired:
                self._metrics.repairs.inc(repaired)
                logger.warning("! counts of %d clients were wrong, mended", repaired)
