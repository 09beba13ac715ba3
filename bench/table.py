"""The table: subjects in columns, figures in rows, and the ratios that matter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Callable, Dict


#: The figures of one run by subject and key.
Run = Dict[str, Dict[str, float]]


@dataclass(frozen=True)
class Row:
    """One figure: its name, how it is written, and what it is compared with."""

    key: str
    title: str
    decimals: int = 0
    yardstick: str = ""
    #: The yardstick's figure, if it is not the same one.
    of: str = ""
    #: What several runs become.
    summary: Callable[[Iterable[float]], float] = median


ROWS = (
    Row("connects", "connects/s", 0, "plain"),
    Row("idle_kib", "KiB/socket idle", 1, "plain"),
    Row("burst_kib", "KiB/socket after a burst", 1, "plain"),
    Row("burst", "room burst/s", 0, "limit"),
    Row("churn", "room burst/s with churn", 0, "limit", "burst"),
    Row("lag_ms", "room lag ms", 1, "limit"),
    Row("direct", "direct/s", 0, "plain"),
    Row("direct_p50_ms", "direct p50 ms", 2, "plain"),
    Row("direct_p99_ms", "direct p99 ms", 2, "plain"),
    Row("lost", "lost", summary=sum),
)


def summary(runs: Sequence[Run]) -> Run:
    """Returns the medians of several runs; what was lost in all of them together."""
    return {
        subject: {
            row.key: row.summary([run[subject][row.key] for run in runs])
            for row in ROWS
            if row.key in runs[0][subject]
        }
        for subject in runs[0]
    }


def ratio(runs: Sequence[Run], row: Row) -> float | None:
    """Returns the median of the relay's ratios to its yardstick, each within a run."""
    of = [(run.get("relay", {}), run.get(row.yardstick, {})) for run in runs]
    its_key = row.of or row.key
    ratios = [ours[row.key] / its[its_key] for ours, its in of if its.get(its_key)]
    return median(ratios) if ratios else None


def table(runs: Sequence[Run]) -> str:
    """Returns runs as a table in Markdown, of medians."""
    figures = summary(runs)
    head = ["", *figures, "relay ÷ yardstick"]
    body = []
    for row in ROWS:
        cells = [_number(one.get(row.key), row.decimals) for one in figures.values()]
        if not any(row.key in one for one in figures.values()):
            continue
        found = ratio(runs, row) if "relay" in figures else None
        compared = "–" if found is None else f"{found:.2f} × {row.yardstick}"
        body.append([row.title, *cells, compared])
    return markdown(head, body)


def markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Returns a table in Markdown whose columns are aligned for reading as it is."""
    widths = [max(map(len, column)) for column in zip(head, *body)]
    left, *others = widths
    rule = ["-" * (left + 2), *("-" * (width + 1) + ":" for width in others)]

    def line(cells: Sequence[str]) -> str:
        name, *values = cells
        padded = [name.ljust(left), *(v.rjust(w) for v, w in zip(values, others))]
        return f"| {' | '.join(padded)} |"

    return "\n".join([line(head), f"|{'|'.join(rule)}|", *map(line, body)])


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:,.{decimals}f}"
