"""What each node says of itself beside its lease, for whoever looks after the nodes.

It is as old as the node's last renewal, a fifth of a lease's life at the most, and gone
with the lease.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass, fields
from typing import Any, Mapping, NamedTuple

from .errors import WireError
from .wire import Wire
from .wire_json import wire_text


__all__ = ["NodeState", "Report", "read_nodes"]


@dataclass(frozen=True)
class Report:
    """One relay process at one moment; rates are since the last report."""

    server: str = ""
    #: The list of nodes that it was told, as an option.
    servers: str = ""
    #: How it was told that clients are spread over them.
    partition: str = ""
    version: str = ""
    host: str = ""
    pid: int = 0
    #: Unix time.
    started: int = 0
    #: 1 while it takes no sockets because it drains.
    draining: int = 0
    sockets: int = 0
    #: Messages from Redis and frames to sockets, since the start and a second.
    messages: int = 0
    frames: int = 0
    messages_per_second: float = 0.0
    frames_per_second: float = 0.0
    #: Bytes that wait for slow sockets.
    outbox_bytes: int = 0
    #: By how much the event loop was late at the worst.
    hub_lag: float = 0.0
    #: How often the subscription was lost.
    gaps: int = 0

    def as_fields(self) -> list[str]:
        """Returns fields and values in turn, as HSET takes them."""
        texts: list[str] = []
        for name, value in asdict(self).items():
            shown = f"{value:.6g}" if isinstance(value, float) else str(value)
            texts += (name, shown)
        return texts

    @classmethod
    def from_hash(cls, answer: Mapping[Any, Any]) -> Report:
        """Reads an HGETALL's mapping; what is missing or no number has its default."""
        given: dict[str, Any] = {}
        texts = {wire_text(name): wire_text(value) for name, value in answer.items()}
        for item in fields(cls):
            default: Any = item.default
            if item.name in texts:
                # Another version may have written it.
                with contextlib.suppress(ValueError):
                    given[item.name] = type(default)(texts[item.name])
        return cls(**given)


class NodeState(NamedTuple):
    """One node as Redis knows it."""

    node: str
    #: Seconds until its lease runs out; 0 if it has.
    lease: float
    #: Clients that count on it.
    clients: int
    #: None if the node is dead, or its version says nothing.
    report: Report | None

    @property
    def server(self) -> str:
        """The name of the server that it is a process of."""
        return self.node.rpartition(":")[0]

    def as_dict(self) -> dict[str, Any]:
        """Returns all of it as JSON can hold it."""
        known = asdict(self.report or Report(server=self.server))
        return {
            "node": self.node,
            "lease": round(self.lease, 3),
            "clients": self.clients,
            **known,
        }


def read_nodes(redis: Any, wire: Wire) -> list[NodeState]:
    """Returns the nodes that live or are still to be reaped, in two round trips."""
    names = sorted(wire_text(name) for name in redis.hkeys(wire.nodes_key))
    if not names:
        return []
    pipe = redis.pipeline(transaction=False)
    for name in names:
        pipe.pttl(wire.lease_key(name))
        pipe.hlen(wire.node_key(name))
        pipe.hgetall(wire.status_key(name))
    answers = pipe.execute()
    return [
        NodeState(name, max(lease, 0) / 1000, clients, _report(answer))
        for name, lease, clients, answer in zip(
            names, answers[::3], answers[1::3], answers[2::3]
        )
    ]


def _report(answer: Mapping[Any, Any]) -> Report | None:
    if not answer:
        return None
    try:
        return Report.from_hash(answer)
    except WireError:
        # Not UTF-8: none of ours wrote it.
        return None
