"""What one relay process counts, for Prometheus and for `/readyz`."""

from __future__ import annotations

from collections import Counter as Counts
from typing import Iterable

from ..errors import missing_extra


try:
    from prometheus_client import (
        CollectorRegistry,
        Counter,
        Gauge,
        generate_latest,
    )
except ImportError as error:  # pragma: no cover
    raise missing_extra("freeim.relay", "relay", error) from error


__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one relay; each relay has its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.sockets = self._gauge("sockets", "Open sockets of this process")
        self.opened = self._counter("opened", "Sockets accepted")
        self.refused = self._counter("refused", "Handshakes refused", "status")
        self.misrouted = self._counter(
            "misrouted", "Sockets of clients whose messages go to another node"
        )
        self.closed = self._counter("closed", "Sockets closed", "code")
        self.commands = self._counter("commands", "Messages taken from Redis", "kind")
        self.malformed = self._counter("malformed", "Messages that are not FreeIM's")
        self.frames = self._counter("frames", "Frames given to sockets")
        self.receipts = self._counter("receipts", "Receipts sent", "delivered")
        self.member_lookups = self._counter(
            "member_lookups", "Channels whose members Redis was asked for"
        )
        self.member_cache_hits = self._counter(
            "member_cache_hits", "Channels whose members were known already"
        )
        self.gaps = self._counter(
            "subscription_gaps", "Times the subscription was lost: messages were missed"
        )
        self.redis_failures = self._counter(
            "redis_failures", "Round trips of the relay's own that failed"
        )
        self.repairs = self._counter(
            "presence_repairs", "Clients whose count in Redis was wrong at a check"
        )
        self.restored = self._counter(
            "presence_restored",
            "Clients whose count was lost in Redis and written anew",
        )
        self.lease_breaks = self._counter(
            "lease_breaks", "Times the lease was lost: others may have reaped this node"
        )
        self.reaped = self._counter("reaped_nodes", "Dead nodes cleaned up after")
        self.backlog = self._gauge(
            "subscription_backlog_bytes", "What Redis holds back for the subscription"
        )
        self.subscribed = self._gauge("subscribed", "1 while subscribed, else 0")

    def count_commands(self, commands: Iterable[object]) -> None:
        """Counts messages taken from Redis, a whole batch at once."""
        for kind, count in Counts(map(type, commands)).items():
            self.commands.labels(kind.__name__).inc(count)

    def exposition(self) -> bytes:
        """Returns all counters in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"freeim_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"freeim_{name}", text, registry=self._registry)
