"""How cost grows: with sockets, message size, rooms and nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Dict, List

from bench import phases
from bench.limit import measure_limit
from bench.rig import Rig
from bench.settings import Settings
from bench.table import markdown


#: The figures of one subject at one step.
Point = Dict[str, float]
#: Points by subject, one for each step.
Points = Dict[str, List[Point]]


@dataclass(frozen=True)
class Sweep:
    """One measure that grows while the others stay."""

    #: The field of `Settings`.
    name: str
    title: str
    steps: Sequence[int]
    subjects: Sequence[str]
    phases: Sequence[phases.Phase]
    #: Key and title of what goes into the table.
    figures: Sequence[tuple[str, str]]


BURST = ("burst", "burst/s")

SWEEPS = (
    Sweep(
        "sockets",
        "sockets in one room",
        (100, 300, 1000, 2000, 5000, 10_000, 15_000),
        ("limit", "plain", "relay"),
        (
            *(phases.connect, phases.idle_memory),
            *(phases.burst, phases.burst_memory, phases.lag),
        ),
        (BURST, ("lag_ms", "lag ms"), ("burst_mib", "MiB")),
    ),
    Sweep(
        "size",
        "bytes of a message",
        (64, 256, 1024, 4096, 16_384),
        ("limit", "plain", "relay"),
        (phases.connect, phases.burst),
        (BURST,),
    ),
    Sweep(
        "rooms",
        "rooms",
        (1, 10, 100, 1000),
        ("plain", "relay"),
        (phases.connect, phases.rooms),
        (("rooms", "room/s"),),
    ),
    Sweep(
        "nodes",
        "nodes",
        (1, 2, 3),
        ("plain", "relay"),
        (phases.connect, phases.burst, phases.direct),
        (BURST, ("direct", "direct/s")),
    ),
)


def sweeps(
    settings: Settings, steps: Sequence[int] | None, only: Sequence[str]
) -> list[Sweep]:
    """Returns all sweeps, of some subjects, with other numbers of sockets if given."""
    chosen = []
    for sweep in SWEEPS:
        own = steps if steps and sweep.name == "sockets" else sweep.steps
        if sweep.name == "rooms":
            # A room of nobody delivers nothing.
            own = [step for step in own if step <= settings.sockets]
        subjects = [subject for subject in sweep.subjects if subject in only]
        chosen.append(replace(sweep, steps=own, subjects=subjects))
    return chosen


def measure_growth(
    rig: Rig, sweep: Sweep, settings: Settings, runs: int, say: Callable[[str], None]
) -> Points:
    """Runs one sweep on all its subjects, side by side at each step."""
    points: Points = {subject: [] for subject in sweep.subjects}
    for step in sweep.steps:
        for subject in sweep.subjects:
            say(f"{sweep.title}: {step:,}, {subject}")
            told = replace(settings, **{sweep.name: step})
            found = [_point(rig, subject, sweep, told) for _ in range(runs)]
            points[subject].append({"step": step, **_medians(found)})
    return points


def growth_tables(sweep: Sweep, points: Points) -> str:
    """Returns one sweep as a table: a row for each step."""
    head = [sweep.title]
    columns = []
    for key, title in sweep.figures:
        for subject in sweep.subjects:
            if any(key in point for point in points[subject]):
                head.append(f"{subject} {title}")
                columns.append((subject, key))
    body = []
    for number, step in enumerate(sweep.steps):
        row = [points[subject][number].get(key) for subject, key in columns]
        body.append([f"{step:,}", *map(_number, row)])
    lost = sum(point["lost"] for some in points.values() for point in some)
    return f"{markdown(head, body)}\n\nLost: {lost:,.0f}."


def _point(rig: Rig, subject: str, sweep: Sweep, settings: Settings) -> Point:
    if subject == "limit":
        return measure_limit(rig, settings)
    point = phases.measure(rig, subject, settings, tuple(sweep.phases))
    for key in ("idle", "burst"):
        if f"{key}_kib" in point:
            point[f"{key}_mib"] = point[f"{key}_kib"] * settings.sockets / 1024
    return point


def _medians(found: Sequence[Point]) -> Point:
    medians = {key: median(point[key] for point in found) for key in found[0]}
    return {**medians, "lost": sum(point["lost"] for point in found)}


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"
