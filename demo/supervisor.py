"""Starts the parts of the demo in order, watches them, stops them in reverse."""

from __future__ import annotations

import queue
import signal
import time
from collections.abc import Sequence
from types import FrameType

from demo.part import Part, show


#: Seconds that the parts started together may take until they serve.
READY_WITHIN = 30.0
#: Seconds that the parts stopped together may take until they are killed; a relay
#: spreads the closing of its sockets over FREEIM_DRAIN_WINDOW.
STOP_WITHIN = 8.0
#: Seconds between two looks at whether a part serves.
LOOK_EVERY = 0.05

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """The demo ends: with this exit status, for this reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Supervisor:
    """Runs stages of parts: each stage serves before the next one starts."""

    def __init__(self, stages: Sequence[Sequence[Part]]) -> None:
        self._stages = stages
        self._started: list[Sequence[Part]] = []
        # A signal handler may put into a SimpleQueue at any time.
        self._events: queue.SimpleQueue[Stopped] = queue.SimpleQueue()

    def run(self, welcome: str) -> int:
        """Runs until a signal or the end of a part; returns the exit status."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal)
        try:
            for stage in self._stages:
                self._start(stage)
            show("demo", welcome)
            raise self._events.get()
        except Stopped as stopped:
            show("demo", f"{stopped}, stopping")
            return stopped.status
        finally:
            self._stop()
            show("demo", "stopped")

    def _start(self, stage: Sequence[Part]) -> None:
        self._started.append(stage)
        for part in stage:
            part.start(on_exit=self._on_exit)
        deadline = time.monotonic() + READY_WITHIN
        for part in stage:
            while not part.ready():
                if time.monotonic() > deadline:
                    raise Stopped(1, f"{part.name} does not serve yet, too late")
                self._raise_event(LOOK_EVERY)

    def _raise_event(self, timeout: float) -> None:
        try:
            raise self._events.get(timeout=timeout)
        except queue.Empty:
            pass

    def _stop(self) -> None:
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal_while_stopping)
        # The last stage first: Redis outlives the relays, which write to it at the end.
        for stage in reversed(self._started):
            for part in stage:
                part.terminate()
            deadline = time.monotonic() + STOP_WITHIN
            for part in stage:
                part.join(max(0.0, deadline - time.monotonic()))

    def _on_exit(self, part: Part) -> None:
        self._events.put(Stopped(1, f"{part.name} ended (status {part.status})"))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._events.put(Stopped(0, signal.Signals(number).name))

    def _on_signal_while_stopping(self, number: int, frame: FrameType | None) -> None:
        for stage in self._started:
            for part in stage:
                part.kill()
