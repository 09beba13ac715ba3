"""What a walk was told: who gives the address, who looks into Redis, how long."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from .application import Question
from .witness import Witness


__all__ = ["Plan", "Skipped"]

NO_REDIS = "Redis is not known: give --redis and --servers"


@dataclass(frozen=True)
class Plan:
    """What is walked, and how long it may take. Times are in seconds."""

    #: Who gives the address; None: it is made in Redis, for a reserved client.
    question: Question | None
    #: Who looks into Redis; None: what needs it is skipped.
    witness: Witness | None
    context: ssl.SSLContext
    #: The node that an address is made for.
    server: str = ""
    #: Where the page comes from; a browser says it in the handshake.
    origin: str = ""
    timeout: float = 5.0
    idle: float = 2.0

    def need_witness(self) -> Witness:
        """Returns who looks into Redis.

        Raises:
            Skipped: if nobody does.
        """
        if self.witness is None:
            raise Skipped(NO_REDIS)
        return self.witness


class Skipped(Exception):
    """A hop does not apply; says why."""
