"""`python -m bench`: measures the relay beside two yardsticks in the same run."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
from pathlib import Path
from typing import Any

from bench.arguments import parse_arguments, settings_of
from bench.crowd import crowd_table, measure_crowd
from bench.deadline import BenchError
from bench.growth import growth_tables, measure_growth, sweeps
from bench.limit import measure_limit
from bench.machine import check_system, describe, raise_file_limit
from bench.page import check_block, write_block
from bench.phases import measure
from bench.plot import check_matplotlib, draw
from bench.rig import Rig
from bench.settings import Settings
from bench.table import table
from demo.checks import SetupError


#: Load average of a machine that has nothing else to do.
QUIET = 0.5


def main() -> int:
    """Runs the benchmark; returns the exit status."""
    options = parse_arguments()
    name = "growth" if options.plot else "crowd" if options.crowd else "table"
    try:
        check_system()
        raise_file_limit()
        if options.plot:
            check_matplotlib()
        if options.markdown:
            check_block(options.markdown, name)
        with Rig() as rig:
            # First, before we are what keeps the machine busy.
            about = preface(rig)
            text, figures = TASKS[name](rig, settings_of(options), options)
            text = f"{about}\n\n{text}"
    except (BenchError, SetupError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(text)
    if options.markdown:
        write_block(options.markdown, name, text)
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def compare(
    rig: Rig, settings: Settings, options: argparse.Namespace
) -> tuple[str, Any]:
    """Measures everything, several times, beside the yardsticks."""
    runs = []
    for number in range(options.runs):
        run = {}
        for subject in options.only:
            say(f"run {number + 1} of {options.runs}: {subject}")
            if subject == "limit":
                run[subject] = measure_limit(rig, settings)
            else:
                run[subject] = measure(rig, subject, settings)
        runs.append(run)
    title = f"{settings.text}; medians of {len(runs)} run(s)."
    return f"{title}\n\n{table(runs)}", runs


def grow(rig: Rig, settings: Settings, options: argparse.Namespace) -> tuple[str, Any]:
    """Measures how cost grows, and draws it."""
    chosen = sweeps(settings, options.steps, options.only)
    found = {
        one.name: measure_growth(rig, one, settings, options.runs, say)
        for one in chosen
    }
    draw(found, options.plot)
    parts = [growth_tables(one, found[one.name]) for one in chosen]
    title = f"{settings.text}, unless they grow; medians of {options.runs} run(s)."
    return "\n\n".join([title, *parts]), found


def gather(
    rig: Rig, settings: Settings, options: argparse.Namespace
) -> tuple[str, Any]:
    """Holds more sockets than one process can."""
    say(f"{settings.sockets:,} sockets on {settings.nodes} node(s)")
    figures = measure_crowd(rig, settings)
    return crowd_table(settings, figures), figures


TASKS = {"table": compare, "growth": grow, "crowd": gather}


def preface(rig: Rig) -> str:
    """Returns when and on what the figures are taken, and who else is at work."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    busy = os.getloadavg()[0]
    if busy > QUIET:
        say(f"the machine is not idle (load {busy:.1f}): the figures will be low")
    return (
        f"Taken on {today} on {describe(rig.redis_version())}. "
        f"Load of the machine before: {busy:.1f}."
    )


def say(text: str) -> None:
    """Tells whoever waits what is being measured."""
    print(f"bench: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
