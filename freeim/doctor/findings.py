"""What a walk finds: one `Hop` a step, and the `Fault` that ends it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, NamedTuple, Tuple


__all__ = ["FAILED", "OK", "SKIPPED", "Diagnosis", "Fault", "Hop", "Step", "Walk"]

#: What may become of a hop.
OK = "ok"
FAILED = "failed"
SKIPPED = "skipped"

#: The name of a hop, and what returns what is seen there, or raises.
Step = Tuple[str, Callable[[], str]]


class Diagnosis(NamedTuple):
    """Why a hop fails in most cases, and what to do about it."""

    cause: str
    fix: str


class Fault(Exception):
    """A hop failed; `kind` is its entry in the table of diagnoses."""

    def __init__(self, hop: str, kind: str, seen: str, **evidence: object) -> None:
        super().__init__(hop, kind, seen, evidence)
        self.hop = hop
        self.kind = kind
        self.seen = seen
        #: What cause and fix may mention, by the name that they use.
        self.evidence = evidence

    def __str__(self) -> str:
        return f"{self.hop}: {self.seen}"


@dataclass(frozen=True)
class Hop:
    """One step of the way, what was seen there, and for a failure what mends it."""

    name: str
    status: str
    seen: str
    kind: str = ""
    cause: str = ""
    fix: str = ""


@dataclass
class Walk:
    """All steps to one node, up to the one that failed."""

    #: The node that the walk was to end at; empty if only the application knows.
    server: str = ""
    hops: list[Hop] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return all(hop.status != FAILED for hop in self.hops)
