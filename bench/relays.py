"""The relay processes under test."""

from __future__ import annotations

import os
import socket

from bench.deadline import BenchError, wait_until
from bench.machine import resident_kib
from bench.settings import Settings
from demo.part import Part


#: Seconds that relays may take until they serve, and until they have ended.
START_WITHIN = 30.0
STOP_WITHIN = 10.0


class Relays:
    """All nodes of one subject: started, and stopped at the end of the context."""

    def __init__(self, subject: str, settings: Settings, redis: str, folder: str):
        self._said: list[str] = []
        self._parts = [
            Part(
                subject,
                settings.command(subject, server),
                ready=lambda server=server: _listens(server),
                environ=_environ(
                    FREEIM_REDIS=redis,
                    FREEIM_SERVERS=",".join(settings.servers),
                    FREEIM_SERVER=server,
                    FREEIM_DRAIN_WINDOW="0.1",
                    # Lock files of relays are never removed: not into /tmp.
                    TMPDIR=folder,
                ),
                show=lambda _, line: self._said.append(line),
            )
            for server in settings.servers
        ]

    def __enter__(self) -> Relays:
        try:
            for part in self._parts:
                part.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_until_ready(self) -> None:
        """Waits until all nodes listen.

        Raises:
            BenchError: if one of them ends instead.
        """
        for part in self._parts:
            wait_until(
                lambda part=part: part.status is not None or part.ready(),
                f"{part.name} listens",
                START_WITHIN,
            )
        self.check()

    def check(self) -> None:
        """Refuses to go on if a process has ended.

        Raises:
            BenchError: with the last that it said.
        """
        for part in self._parts:
            if part.status is not None:
                said = next(filter(None, reversed(self._said)), "nothing")
                reason = f"{part.name} ended with {part.status} and said: {said}"
                raise BenchError(reason)

    @property
    def pids(self) -> list[int]:
        """The processes that were started, one for each node."""
        return [part.pid for part in self._parts]

    def resident_kib(self) -> int:
        """Returns the memory of all processes together."""
        return sum(map(resident_kib, self.pids))

    def stop(self) -> None:
        """Ends all processes."""
        for part in self._parts:
            part.terminate()
        for part in self._parts:
            part.join(STOP_WITHIN)


def _environ(**settings: str) -> dict[str, str]:
    # The settings of another FreeIM or gunicorn in this shell are not ours.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FREEIM_", "GUNICORN_"))
    }
    return {**kept, "PYTHONUNBUFFERED": "1", **settings}


def _listens(server: str) -> bool:
    host, _, port = server.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
