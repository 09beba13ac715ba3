"""What a relay must know about the gunicorn worker that it lives in.

gunicorn is not imported: its worker is recognised, and no line of gunicorn's
configuration needs to know of the relay. A worker leaves in three ways: at SIGTERM when
its requests have ended, but sockets are none; at SIGQUIT, SIGINT and SIGABRT at once;
and within a second when its master is dead.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
from typing import Any, Callable, Protocol

import gevent


__all__ = ["BOOT_ERROR", "GunicornWorker", "Stoppable"]

#: Exit status of a worker that makes gunicorn end, too, instead of starting the next
#: one (gunicorn.arbiter.Arbiter.WORKER_BOOT_ERROR).
BOOT_ERROR = 3

#: Seconds between two looks at whether the worker is to end.
WATCH_INTERVAL = 0.1

#: Signals at which a worker leaves at once, SIGABRT when it seems to hang.
AT_ONCE = (signal.SIGQUIT, signal.SIGINT, signal.SIGABRT)


class Stoppable(Protocol):
    """What is stopped with the worker."""

    def stop(self, hurry: bool = False) -> None: ...


class GunicornWorker:
    """The worker of this process, and the end of what it serves."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker

    @classmethod
    def find(cls) -> GunicornWorker | None:
        """Returns the worker if this process is one.

        Nothing in the environ names it, but it handles its own SIGTERM.
        """
        worker = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        known = hasattr(worker, "alive") and hasattr(worker, "cfg")
        return cls(worker) if known else None

    @property
    def is_replacement(self) -> bool:
        """Whether it takes the place of another one, now or soon."""
        return bool(self._worker.age > self._worker.cfg.workers)

    @property
    def forwarded_allow_ips(self) -> list[str]:
        """The proxies that gunicorn was told to trust."""
        return list(self._worker.cfg.forwarded_allow_ips)

    @property
    def connections(self) -> int:
        """How many requests it serves at a time; it accepts nobody beyond."""
        return int(self._worker.cfg.worker_connections)

    @property
    def speaks_for(self) -> int:
        """How many workers were started with this one, told by the first of them."""
        return int(self._worker.cfg.workers) if self._worker.age == 1 else 0

    def stop_with(self, app: Stoppable) -> None:
        """Has an application stopped when the worker leaves, in whichever way."""
        for number in AT_ONCE:
            self._hurry_at(number, app)
        gevent.spawn(self._watch, app)
        # gunicorn leaves when its requests have ended: for the rest of the time.
        atexit.register(self._stop_at_exit, app)

    @property
    def _orphaned(self) -> bool:
        return bool(self._worker.ppid != os.getppid())

    def _watch(self, app: Stoppable) -> None:
        while self._worker.alive and not self._orphaned:
            gevent.sleep(WATCH_INTERVAL)
        app.stop(hurry=self._orphaned)
        if getattr(self._worker, "wsgi", None) is app and self._is_waiting():
            # Nothing else is served here, so gunicorn need not wait until its worker
            # looks at `alive`, once a second: in a reload it replaces no worker that
            # dies meanwhile.
            sys.exit(0)

    def _is_waiting(self) -> bool:
        """Whether the main greenlet is still in the worker's loop.

        An exit that reached it later, in the interpreter's own end, would be reported
        as an error.
        """
        frame = getattr(gevent.get_hub().parent, "gr_frame", None)
        while frame is not None:
            if frame.f_code.co_name == "run":
                return frame.f_locals.get("self") is self._worker
            frame = frame.f_back
        return False

    def _hurry_at(self, number: int, app: Stoppable) -> None:
        """Has the drain end at once when the worker is told to leave at once.

        Afterwards nothing tells these signals from SIGTERM: `alive` is all there is.
        """
        gunicorns: Any = signal.getsignal(number)
        if not callable(gunicorns):
            return
        handler: Callable[[int, Any], Any] = gunicorns

        def hurry(number: int, frame: Any) -> None:
            # In a greenlet, as gunicorn does: a signal handler may not wait.
            gevent.spawn(app.stop, hurry=True)
            if self._worker.alive:
                handler(number, frame)
            # Else it is on its way, and waits for the drain only.

        signal.signal(number, hurry)

    def _stop_at_exit(self, app: Stoppable) -> None:
        # A worker that lives at its exit was not told to leave by SIGTERM.
        stopping = gevent.spawn(app.stop, hurry=self._worker.alive)
        while not stopping.dead:
            # gunicorn's greenlet for SIGQUIT raises this here when it was late.
            with contextlib.suppress(SystemExit):
                stopping.join()
