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
        # Why to stop, or a part that has ended. A signal handler may put into a
        # SimpleQueue at any time.
        self._events: queue.SimpleQueue[Stopped | Part] = queue.SimpleQueue()

    def run(self, welcome: str) -> int:
        """Runs until a signal or until a part has failed; returns the exit status."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal)
        try:
            for stage in self._stages:
                self._start(stage)
            show("demo", welcome)
            while True:
                self._handle(self._events.get())
        except Stopped as stopped:
            show("demo", f"{stopped}, stopping")
            return stopped.status
        finally:
            self._stop()
            show("demo", "stopped")

    def _start(self, stage: Sequence[Part]) -> None:
        self._started.append(stage)
        for part in stage:
            part.start(on_exit=self._events.put)
        deadline = time.monotonic() + READY_WITHIN
        for part in stage:
            while not part.ready():
                if time.monotonic() > deadline:
                    raise Stopped(1, f"{part.name} does not serve yet, too late")
                self._wait(LOOK_EVERY)

    def _wait(self, timeout: float) -> None:
        try:
            self._handle(self._events.get(timeout=timeout))
        except queue.Empty:
            pass

    def _handle(self, event: Stopped | Part) -> None:
        if isinstance(event, Stopped):
            raise event
        if event.status != 0 or not event.comes_back:
            raise Stopped(1, f"{event.name} ended (status {event.status})")
        show("demo", f"{event.name} ended in good order, starting it again")
        event.start(on_exit=self._events.put)

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

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._events.put(Stopped(0, signal.Signals(number).name))

    def _on_signal_while_stopping(self, number: int, frame: FrameType | None) -> None:
        for stage in self._started:
            for part in stage:
                part.kill()
