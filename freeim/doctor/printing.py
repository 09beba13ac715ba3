"""Walks as lines for people, and as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict

from .findings import FAILED, OK, SKIPPED, Walk


__all__ = ["as_json", "as_lines"]

MARKS = {OK: "ok", FAILED: "FAIL", SKIPPED: "skip"}


def as_lines(walk: Walk) -> list[str]:
    """Returns a line a hop, and under one that failed its cause and its fix."""
    lines = [f"node {walk.server}"] if walk.server else []
    for hop in walk.hops:
        lines.append(f"{MARKS[hop.status]:<5} {hop.name:<12} {hop.seen}")
        if hop.status == FAILED:
            lines += [
                f"{'':5} {'cause':<12} {hop.cause}",
                f"{'':5} {'fix':<12} {hop.fix}",
            ]
    return lines


def as_json(walks: list[Walk]) -> str:
    """Returns all walks as one JSON object."""
    return json.dumps(
        {
            "ok": all(walk.ok for walk in walks),
            "walks": [{**asdict(walk), "ok": walk.ok} for walk in walks],
        },
        ensure_ascii=False,
        indent=2,
    )
