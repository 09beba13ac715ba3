"""Keeps this node's lease, and has the nodes reaped that lost theirs."""

from __future__ import annotations

import logging
import math
import random
import time
from typing import Any, Callable

import gevent
from gevent.event import Event
from redis.exceptions import RedisError

from ..presence import Ledger
from ..reaper import Reaper
from ..status import Report
from .clerk import Clerk
from .metrics import Metrics


__all__ = ["Lease"]

logger = logging.getLogger(__name__)

#: Renewals, and looks for dead nodes, in one life of a lease: a killed node is noticed
#: within a life and a fifth.
LOOKS = 5


class Lease:
    """Says again and again that this node lives.

    Who stops saying so, because it was killed, frozen or cut off, is dead to the
    others, and they take its counts away.
    """

    def __init__(
        self,
        ledger: Ledger,
        reaper: Reaper,
        clerk: Clerk,
        ttl: float,
        on_doubt: Callable[[], None],
        report: Callable[[], Report],
        metrics: Metrics,
    ) -> None:
        """Takes the seconds for which one renewal is good.

        Args:
            on_doubt: called while the lease is held, when the node's counts may not be
                in Redis any more; again if Redis could not be reached.
            report: returns what the node says of itself with each renewal.
        """
        self._ledger = ledger
        self._reaper = reaper
        self._clerk = clerk
        self._ttl = ttl
        self._on_doubt = on_doubt
        self._report = report
        self._metrics = metrics
        #: When it runs out. The first renewal is the first thing that the clerk does,
        #: before any socket comes in, so until its answer the lease counts as held.
        self._until = math.inf
        # Two, as reaping a large node may take longer than a lease lives.
        self._greenlets = [gevent.Greenlet(self._keep), gevent.Greenlet(self._look)]
        self._taken = False
        self._doubted = False
        self._wake, self._renewed = Event(), Event()

    @property
    def held(self) -> bool:
        """Whether the others believe that this node lives."""
        return time.monotonic() < self._until

    def wait(self, timeout: float) -> bool:
        """Waits some seconds for the lease to be held; returns whether it is."""
        if not self.held:
            self._renewed.clear()
            self._wake.set()
            self._renewed.wait(timeout)
        return self.held

    def start(self) -> None:
        """Takes the lease and starts to renew it."""
        for greenlet in self._greenlets:
            greenlet.start()

    def doubt(self) -> None:
        """Has the lease renewed and the counts compared at once: they may be gone."""
        self._doubted = True
        self._wake.set()

    def stop(self) -> None:
        """Stops renewing; the lease is there until it runs out or is given up."""
        gevent.killall(self._greenlets)

    def _keep(self) -> None:
        while True:
            self._wake.clear()
            self._safely(self._renew_and_settle)
            self._wake.wait(self._pause())

    def _look(self) -> None:
        while True:
            gevent.sleep(self._pause())
            self._safely(self._reap)

    def _pause(self) -> float:
        # So that the nodes of a cluster do not all look at the same time.
        return self._ttl / LOOKS * random.uniform(0.8, 1.0)

    def _safely(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (RedisError, OSError) as error:
            logger.debug("! lease: %s", error)
        except Exception:
            # This branch should never run; a relay without a lease is dead.
            logger.exception("unexpected internal error")

    def _renew_and_settle(self) -> None:
        self._renew()
        if self._doubted:
            self._doubted = False
            self._settle()

    def _renew(self) -> None:
        report = self._report()
        sent_at = time.monotonic()
        try:
            unbroken: Any = self._clerk.submit(
                lambda pipe: self._ledger.renew(pipe, report=report)
            ).get()
        except (RedisError, OSError):
            if not self._taken:
                self._until = 0.0
            raise
        self._until = sent_at + self._ttl
        self._renewed.set()
        if not unbroken and self._taken:
            self._metrics.lease_breaks.inc()
            logger.warning("! lease was lost, the counts are compared")
            self._doubted = True
        self._taken = True

    def _settle(self) -> None:
        try:
            self._on_doubt()
        except (RedisError, OSError):
            self._doubted = True
            raise

    def _reap(self) -> None:
        for node in self._reaper.reap():
            self._metrics.reaped.inc()
            logger.warning("= node %s was dead: its counts are taken away", node)
