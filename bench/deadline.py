"""Waiting for a condition, and what is raised when the benchmark cannot go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar


T = TypeVar("T")

#: Seconds in which what a server does after the last socket or message is done: its
#: bookkeeping, its freeing, the kernel's acknowledgements. No condition tells.
SETTLE = 1.0


class BenchError(Exception):
    """The benchmark cannot go on; the text is one line that says why."""


def wait_until(
    condition: Callable[[], T], what: str, seconds: float = 30.0, pause: float = 0.02
) -> T:
    """Waits for a condition and returns what it gave.

    Raises:
        BenchError: if it does not come true in that time.
    """
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise BenchError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(pause)
