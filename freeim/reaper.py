"""Takes the counts of dead nodes away: relays that were killed, or cut off for long."""

from __future__ import annotations

from itertools import islice
from typing import Any, Iterator

from .dialects import ClientId
from .presence import LIVES, Ledger
from .scripts import load_script
from .wire import Wire
from .wire_json import wire_text


__all__ = ["Reaper"]

#: Clients that one script takes away. Redis serves nobody else while it runs, about a
#: hundredth of a millisecond for each.
CHUNK = 100


class Reaper:
    """What any node may do for all.

    Several may reap the same node at the same time: each step checks that the node is
    dead and what it still holds.
    """

    def __init__(self, redis: Any, wire: Wire) -> None:
        """Stores an open client of Redis and the system's names."""
        self._redis = redis
        self._wire = wire
        self._dead_nodes = load_script("dead_nodes")

    def reap(self) -> list[str]:
        """Takes away what dead nodes hold; returns those that are forgotten now.

        Events, channels and the stream follow as if each socket had closed.

        Raises:
            redis.exceptions.RedisError: the rest is there for the next time.
        """
        return [node for node in self._dead() if self._reap_node(node)]

    def _dead(self) -> list[str]:
        keys, args = [self._wire.nodes_key], [self._wire.lease_key("")]
        return [wire_text(name) for name in self._dead_nodes(self._redis, keys, args)]

    def _reap_node(self, node: str) -> bool:
        ledger = Ledger(self._wire, node)
        clients = self._clients(node)
        while chunk := list(islice(clients, CHUNK)):
            pipe = self._redis.pipeline(transaction=False)
            ledger.reap(pipe, chunk)
            if pipe.execute() == [LIVES]:
                return False
        pipe = self._redis.pipeline(transaction=False)
        ledger.forget(pipe, dead=True)
        return bool(pipe.execute()[0])

    def _clients(self, node: str) -> Iterator[ClientId]:
        # HSCAN names each field that stays, whatever is deleted meanwhile.
        for name, _ in self._redis.hscan_iter(self._wire.node_key(node), count=CHUNK):
            yield self._wire.dialect.from_text(wire_text(name))
