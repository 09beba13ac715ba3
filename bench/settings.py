"""What a measurement is told, and the commands of the relays that it measures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from demo.parts import GUNICORN


PLAIN = (sys.executable, "-m", "bench.plain")

#: The relay as it is recommended.
RELAY = (
    *GUNICORN,
    *("-k", "gevent", "-w", "{workers}", "-b", "{server}", "freeim.relay_wsgi:app"),
)

#: What stands in the columns of the table.
SUBJECTS = ("limit", "plain", "relay")


@dataclass(frozen=True)
class Settings:
    """One measurement: how much of what."""

    sockets: int = 5000
    #: Messages that are published back to back.
    burst: int = 20
    #: Messages to one receiver each that are published as fast as Redis takes them.
    direct: int = 20_000
    #: Such messages a second when their latency is measured, and for how long.
    pace: int = 1000
    seconds: int = 5
    #: Bytes of a message as the browser gets it.
    size: int = 128
    #: Rooms of the same size, together of all sockets.
    rooms: int = 1
    #: Joins and leaves a second in a room that is written to meanwhile; each.
    churn: int = 100
    #: Relay processes, each a node of its own.
    nodes: int = 1
    #: Worker processes of each node.
    workers: int = 1
    #: Port of the first node; the others follow.
    port: int = 6101
    relay: Sequence[str] = RELAY
    #: Seconds after which what has not arrived is lost.
    patience: float = 60.0

    @property
    def servers(self) -> list[str]:
        """The names of all nodes, which are their addresses."""
        return [f"127.0.0.1:{self.port + number}" for number in range(self.nodes)]

    def command(self, subject: str, server: str) -> list[str]:
        """Returns how one node of a subject is started."""
        command = PLAIN if subject == "plain" else self.relay
        workers = str(self.workers)
        return [
            part.replace("{server}", server).replace("{workers}", workers)
            for part in command
        ]

    def processes(self, subject: str) -> int:
        """Returns how many processes of a node hold sockets."""
        return self.workers if subject == "relay" else 1

    @property
    def text(self) -> str:
        """What the figures belong to, in words."""
        parts = [
            f"{self.sockets:,} sockets on {self.nodes} node(s)",
            f"bursts of {self.burst}",
            f"messages of {self.size:,} bytes",
        ]
        if self.workers > 1:
            parts.insert(1, f"{self.workers} workers each")
        return ", ".join(parts)
