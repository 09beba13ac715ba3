"""What one relay process counts, for Prometheus, for `/readyz` and for its report.

With `PROMETHEUS_MULTIPROC_DIR` set, the workers of one address count in files there,
and `/metrics` of any of them shows them all (prometheus_client's multiprocess mode).
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections import Counter as Counts
from typing import Any, Callable, Iterable, Mapping, NamedTuple

from ..errors import ConfigurationError, missing_extra
from ..websocket import handshake


try:
    from prometheus_client import (
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
        generate_latest,
    )
    from prometheus_client.multiprocess import (
        MultiProcessCollector,
        mark_process_dead,
    )
except ImportError as error:  # pragma: no cover
    raise missing_extra("freeim.relay", "relay", error) from error


__all__ = ["CONTENT_TYPE", "FOLDER", "Described", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

#: The variable that names the folder of several workers; prometheus_client's own.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"

#: Seconds: of what usually takes less than a millisecond and is bad from 100 on.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

#: Why a handshake was refused, by the text that says so: the names of the constants.
#: Others have the name of their close code, so that there are never many.
REASONS = {
    value.text: name.lower()
    for name, value in vars(handshake).items()
    if isinstance(value, handshake.Refusal)
}


class Described(NamedTuple):
    """One metric as the documentation lists it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


class Metrics:
    """The counters of one relay; each relay has its own.

    On the path of messages they are counted once a batch, never once a frame.
    """

    def __init__(self) -> None:
        """Makes all of them.

        Raises:
            ConfigurationError: if the folder of several workers cannot be used.
        """
        self._registry = CollectorRegistry()
        self._folder = _folder()
        #: All that there are, in the order of the documentation.
        self.described: list[Described] = []
        #: Called before they are shown, by whoever fills in what nobody counts.
        self.before_exposition: Callable[[], Any] = int
        #: The sums of `commands` and `frames`, and of `gaps`, of this process alone.
        self.messages_taken = self.frames_given = self.gaps_noted = 0
        self._make_sockets()
        self._make_messages()
        self._make_redis()
        self._make_times()

    def _make_sockets(self) -> None:
        gauge, counter = self._gauge, self._counter
        self.processes = gauge("processes", "Relay processes that this page shows")
        self.sockets = gauge("sockets", "Open sockets")
        self.opened = counter("opened", "Sockets accepted")
        self.refused = counter(
            "refused",
            "Handshakes refused, by HTTP status, also where a close code was sent "
            "instead, and by reason",
            "status",
            "reason",
        )
        self.misrouted = counter(
            "misrouted",
            "Sockets of clients whose messages go to another node: compare servers and "
            "public_url of all parts",
        )
        self.closed = counter(
            "closed",
            "Sockets closed, by the code of the reason: 1000 is a browser that closed "
            "by itself, with whatever code, 1006 one that was lost, 4508 a slow one",
            "code",
        )
        self.outbox = gauge(
            "outbox_bytes", "Bytes that wait for sockets that take less than they get"
        )
        self.sent = counter("sent_bytes", "Bytes that the kernel took for sockets")

    def _make_messages(self) -> None:
        counter = self._counter
        self.commands = counter(
            "commands",
            "Messages taken from Redis: DirectMessage, ChanMessage (broadcasts, too), "
            "ForceOffline",
            "kind",
        )
        self.malformed = counter("malformed", "Messages that are not FreeIM's, skipped")
        self.frames = counter(
            "frames", "Frames given to sockets, by the kind of their message", "kind"
        )
        self.receipts = counter("receipts", "Receipts sent, True or False", "delivered")
        self.member_lookups = counter(
            "member_lookups",
            "Channels whose members Redis was asked for, once in a batch of messages",
        )
        self.member_cache_hits = counter(
            "member_cache_hits",
            "Channels whose members were known already; stays 0 where Redis does not "
            "say what changes",
        )

    def _make_redis(self) -> None:
        gauge, counter = self._gauge, self._counter
        self.subscribed = gauge(
            "subscribed", "Processes that are subscribed to Redis: all should be"
        )
        self.gaps = counter(
            "subscription_gaps", "Times the subscription was lost: messages were missed"
        )
        self.backlog = gauge(
            "subscription_backlog_bytes",
            "What Redis holds back for the subscription; it cuts it off at a limit",
            "livemax",
        )
        self.redis_failures = counter(
            "redis_failures", "Round trips of the relay's own that failed"
        )
        self.redis_reconnects = counter(
            "redis_reconnects", "Times Redis answered again after round trips failed"
        )
        self.repairs = counter(
            "presence_repairs",
            "Clients whose count in Redis was wrong at a regular check; stays 0 unless "
            "somebody else changes the relays' keys",
        )
        self.restored = counter(
            "presence_restored",
            "Clients whose count was lost in Redis and written anew",
        )
        self.lease_breaks = counter(
            "lease_breaks",
            "Times the lease had run out: the node was frozen or cut off for longer "
            "than lease_ttl, or Redis lost its data; others may have reaped it",
        )
        self.reaped = counter("reaped_nodes", "Dead nodes cleaned up after")

    def _make_times(self) -> None:
        self.probe_round_trip = self._histogram(
            "probe_round_trip_seconds",
            "From publishing to itself until it was heard, once a second",
        )
        self.hub_lag = self._histogram(
            "hub_lag_seconds", "By how much the event loop was late, twice a second"
        )
        self.fanout = self._histogram(
            "fanout_seconds",
            "From a batch of messages until its last frame was written or waits",
        )

    # Counting

    def count_commands(self, commands: Iterable[object]) -> None:
        """Counts messages taken from Redis, a whole batch at once."""
        for kind, count in Counts(map(type, commands)).items():
            self.messages_taken += count
            self.commands.labels(kind.__name__).inc(count)

    def count_frames(self, frames: Mapping[type, int]) -> None:
        """Counts the frames of a whole batch, by the type of their command."""
        for kind, count in frames.items():
            self.frames_given += count
            self.frames.labels(kind.__name__).inc(count)

    def count_gap(self) -> None:
        """Counts that the subscription was lost."""
        self.gaps_noted += 1
        self.gaps.inc()

    def count_refusal(self, refusal: handshake.Refusal) -> None:
        """Counts a handshake that was refused."""
        reason = REASONS.get(refusal.text, refusal.close.name.lower())
        self.refused.labels(refusal.status.split()[0], reason).inc()

    def exposition(self) -> bytes:
        """Returns all of them in Prometheus' text format."""
        self.before_exposition()
        if self._folder is None:
            return generate_latest(self._registry)
        _forget_the_dead(self._folder)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, self._folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    # Making

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        self._describe(f"{name}_total", "counter", labels, text)
        return Counter(f"freeim_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, mode: Any = "livesum") -> Gauge:
        """Makes a gauge; the mode says what is shown of several workers."""
        self._describe(name, "gauge", (), text)
        return Gauge(
            f"freeim_{name}", text, registry=self._registry, multiprocess_mode=mode
        )

    def _histogram(self, name: str, text: str) -> Histogram:
        self._describe(name, "histogram", (), text)
        return Histogram(
            f"freeim_{name}", text, registry=self._registry, buckets=BUCKETS
        )

    def _describe(
        self, name: str, kind: str, labels: tuple[str, ...], text: str
    ) -> None:
        self.described.append(Described(f"freeim_{name}", kind, labels, text))


def _folder() -> str | None:
    folder = os.environ.get(FOLDER)
    if not folder:
        return None
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        remedy = f"name a folder that this user may write to ({error})"
        raise ConfigurationError(FOLDER, folder, remedy) from error
    return folder


def _forget_the_dead(folder: str) -> None:
    """Takes the gauges of workers away that have ended; what they counted stays."""
    for path in glob.glob(os.path.join(glob.escape(folder), "gauge_live*_*.db")):
        found = re.search(r"_(\d+)\.db$", path)
        if found and not _lives(int(found[1])):
            # Another worker may be doing the same.
            with contextlib.suppress(FileNotFoundError):
                mark_process_dead(int(found[1]), folder)  # type: ignore[no-untyped-call]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        # Gone, or somebody else's by now.
        return False
    return True
