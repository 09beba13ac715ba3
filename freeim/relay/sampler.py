"""Finds out how this process is doing, beside the hot path: what it waits and holds."""

from __future__ import annotations

import os
import socket
import time
from importlib import metadata

import gevent

from ..options import RelayOptions
from ..status import Report
from .connection import Connection
from .drain import Drain
from .metrics import Metrics
from .registry import Registry


__all__ = ["Sampler"]

#: Seconds between two looks at how late the event loop is.
LAG_TICK = 0.5


class Sampler:
    """Fills the metrics that nothing counts, and reports for the others to read.

    Sums over all sockets are made when somebody asks, not when a frame is written.
    """

    def __init__(
        self,
        registry: Registry[Connection],
        drain: Drain,
        options: RelayOptions,
        metrics: Metrics,
    ) -> None:
        """Takes what is looked at; `start` begins to look."""
        self._registry = registry
        self._drain = drain
        self._metrics = metrics
        self._greenlet = gevent.Greenlet(self._run)
        #: What does not change.
        self._identity = {
            "server": options.server,
            "servers": ",".join(options.servers),
            "partition": options.partition,
            "version": _version(),
            "host": socket.gethostname(),
        }
        self._started = int(time.time())
        #: Bytes that sockets took that have ended, and all that are counted.
        self._sent_by_ended = self._sent = 0
        self._worst_lag = 0.0
        #: (when, messages, frames) of the last report.
        self._last = (time.monotonic(), 0, 0)
        metrics.before_exposition = self.sample

    def start(self) -> None:
        """Starts to measure the event loop."""
        self._greenlet.start()

    def stop(self) -> None:
        """Ends it."""
        self._greenlet.kill()

    def note_end(self, connection: Connection) -> None:
        """Takes note of what an ended connection had sent."""
        self._sent_by_ended += connection.sent

    def sample(self) -> int:
        """Brings the metrics up to date; returns the bytes that wait for sockets."""
        connections = self._registry.connections()
        sent = self._sent_by_ended + sum(one.sent for one in connections)
        waiting = sum(one.waiting for one in connections)
        metrics = self._metrics
        # Not when it is made: a master that forks workers is no relay.
        metrics.processes.set(1)
        metrics.sockets.set(len(connections))
        metrics.outbox.set(waiting)
        metrics.sent.inc(sent - self._sent)
        self._sent = sent
        return waiting

    def report(self) -> Report:
        """Returns how things are, and what happened since the last report."""
        waiting = self.sample()
        now, metrics = time.monotonic(), self._metrics
        then, messages, frames = self._last
        self._last = (now, metrics.messages_taken, metrics.frames_given)
        seconds = max(now - then, 0.001)
        lag, self._worst_lag = self._worst_lag, 0.0
        return Report(
            **self._identity,
            # Here, as a worker may have been forked since the start.
            pid=os.getpid(),
            started=self._started,
            draining=int(self._drain.begun),
            sockets=len(self._registry),
            messages=metrics.messages_taken,
            frames=metrics.frames_given,
            messages_per_second=(metrics.messages_taken - messages) / seconds,
            frames_per_second=(metrics.frames_given - frames) / seconds,
            outbox_bytes=waiting,
            hub_lag=lag,
            gaps=metrics.gaps_noted,
        )

    def _run(self) -> None:
        while True:
            due = time.monotonic() + LAG_TICK
            gevent.sleep(LAG_TICK)
            lag = max(time.monotonic() - due, 0.0)
            self._metrics.hub_lag.observe(lag)
            self._worst_lag = max(self._worst_lag, lag)


def _version() -> str:
    try:
        return metadata.version("freeim")
    except metadata.PackageNotFoundError:
        # Run from a folder that was never installed.
        return "unknown"
