"""Fuzzes the frame path and the parsers for as long as you like.

    python -m tests.fuzz [--count 1000000] [--first 0]

Each number makes one stream and one text for each parser, always the same ones. The
first that does not come to a documented outcome ends the run with a traceback that
names its number.
"""

from __future__ import annotations

import argparse
import time

from . import frames, parsers


parser = argparse.ArgumentParser("python -m tests.fuzz")
parser.add_argument("--count", type=int, default=1_000_000)
parser.add_argument("--first", type=int, default=0)
asked = parser.parse_args()

numbers = range(asked.first, asked.first + asked.count)
for name, part in (("frames", frames), ("parsers", parsers)):
    began = time.monotonic()
    endings = sorted(part.count(numbers).items())
    seconds = time.monotonic() - began
    print(f"{name}: {asked.count} in {seconds:.0f} s", flush=True)
    for ending, number in endings:
        print(f"  {ending}: {number}", flush=True)
