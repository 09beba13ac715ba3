"""What commands print: lines, tables and JSON on stdout, progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Iterator, Sequence, TypeVar

import click


__all__ = ["clock", "print_json", "print_table", "progress"]

Item = TypeVar("Item")

#: As many items as take longer than a second, about, with a round trip each.
MANY = 500


def print_json(value: Any) -> None:
    """Prints one JSON document on one line."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints rows under a head, numbers to the right."""
    texts = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts)]
    for number, line in enumerate(texts):
        cells = []
        for place, (text, width) in enumerate(zip(line, widths)):
            sample = rows[max(number - 1, 0)][place] if rows else ""
            right = isinstance(sample, (int, float))
            cells.append(text.rjust(width) if right else text.ljust(width))
        click.echo("  ".join(cells).rstrip())


def progress(items: Sequence[Item], label: str) -> Iterator[Item]:
    """Yields items, with a bar on a terminal if they are many."""
    if len(items) < MANY or not sys.stderr.isatty():
        yield from items
        return
    with click.progressbar(items, label=label, file=sys.stderr) as bar:
        yield from bar


def clock() -> str:
    """Returns the time of day."""
    return time.strftime("%H:%M:%S")
