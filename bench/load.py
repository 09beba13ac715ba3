"""The load: processes that hold the sockets and count what arrives, see `load.c`."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.deadline import BenchError, wait_until
from bench.machine import sockets_per_process


#: Seconds between two looks at the counts; ages and rates do not depend on it.
LOOK_EVERY = 0.05

#: Each process connects from addresses of its own: the ports of those that an earlier
#: one used are not free for a minute.
_sources = itertools.count(os.getpid())


@dataclass(frozen=True)
class Target:
    """Where a socket goes."""

    port: int
    path: str


@dataclass(frozen=True)
class Arrived:
    """What has arrived on all sockets since the last time."""

    messages: int
    #: From before the last time: more than were waited for.
    late: int
    first_ns: int
    last_ns: int
    #: Over several processes that of the worst.
    p50_ms: float
    p99_ms: float

    @property
    def seconds(self) -> float:
        """From the publishing of the first to the arrival of the last."""
        return (self.last_ns - self.first_ns) / 1e9

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds if self.messages else 0.0


class Load:
    """All sockets of a measurement, spread over as few processes as may hold them."""

    def __init__(self, program: str, folder: str, targets: Sequence[Target]) -> None:
        self._targets = targets
        self._processes: list[subprocess.Popen[str]] = []
        self._program = program
        self._folder = Path(folder)

    def __enter__(self) -> Load:
        most = sockets_per_process()
        try:
            for start in range(0, len(self._targets), most):
                self._start(self._targets[start : start + most])
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def processes(self) -> int:
        """How many processes it takes."""
        return len(self._processes)

    def opened(self) -> float:
        """Waits until all sockets are open; returns how many seconds that took.

        Raises:
            BenchError: if one of them is refused.
        """
        answers = [self._answer(process) for process in self._processes]
        refused = sum(answer["refused"] for answer in answers)
        if refused:
            reason = next(answer["reason"] for answer in answers if answer["refused"])
            raise BenchError(
                f"{refused:,} of {len(self._targets):,} sockets were refused: {reason}"
            )
        return max(answer["seconds"] for answer in answers)

    def wait(self, messages: int, seconds: float) -> Arrived:
        """Waits until so many messages have arrived, or for some seconds."""
        # What is missing then is lost, and for the caller to count.
        with suppress(BenchError):
            wait_until(
                lambda: sum(self._ask("count")) >= messages,
                "messages",
                seconds,
                LOOK_EVERY,
            )
        taken = self._ask("take")
        closed = sum(one["closed"] for one in taken)
        if closed:
            raise BenchError(f"{closed:,} sockets were closed by the relay")
        some = [one for one in taken if one["messages"]]
        return Arrived(
            messages=sum(one["messages"] for one in taken),
            late=sum(one["late"] for one in taken),
            first_ns=min((one["first_ns"] for one in some), default=0),
            last_ns=max((one["last_ns"] for one in some), default=0),
            p50_ms=max(one["p50_us"] for one in taken) / 1000,
            p99_ms=max(one["p99_us"] for one in taken) / 1000,
        )

    def close(self) -> None:
        """Closes all sockets."""
        for process in self._processes:
            process.kill()
            process.communicate()
        self._processes.clear()

    def _start(self, targets: Sequence[Target]) -> None:
        source = next(_sources) % 256
        file = self._folder / f"targets-{source}"
        file.write_text("".join(f"{one.port} {one.path}\n" for one in targets))
        self._processes.append(
            subprocess.Popen(
                [self._program, str(file), str(source)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
            )
        )

    def _ask(self, order: str) -> list[Any]:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"{order}\n")
            process.stdin.flush()
        return [self._answer(process) for process in self._processes]

    @staticmethod
    def _answer(process: subprocess.Popen[str]) -> Any:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise BenchError(f"the load ended with status {process.wait()}")
        return json.loads(line)
