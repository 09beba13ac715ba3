"""One process of the demo, whose output is shown line by line under its name."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path


#: Where the parts run, so that they can import `demo` and, in a checkout, `freeim`.
ROOT = Path(__file__).resolve().parent.parent

#: Seconds that the kernel may take to end what was killed.
KILLED_WITHIN = 2.0


def show(name: str, line: str) -> None:
    """Prints one line of the part called `name`."""
    # Our own output may be gone (`python -m demo | head`); the parts must not mind.
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(f"{name:<7} | {line}\n")
        sys.stdout.flush()


class Part:
    """A child process in a process group of its own.

    The group keeps the terminal's Ctrl-C away from it: the supervisor alone decides
    when a part stops. `start`; then `terminate`, and `join` until it is gone. One that
    has ended may be started again.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        ready: Callable[[], bool],
        environ: dict[str, str] | None = None,
        show: Callable[[str, str], None] = show,
        comes_back: bool = False,
    ) -> None:
        self.name = name
        #: Whether it is started again when it has ended in good order by itself.
        self.comes_back = comes_back
        self.ready = ready
        self._command = command
        self.environ = environ
        self._show = show
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self, on_exit: Callable[[Part], None] = lambda part: None) -> None:
        """Starts the process; `on_exit` is called, in a thread, when it has ended."""
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(
            target=self._read, args=(self._process, on_exit), daemon=True
        )
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id, which is also that of its group."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status; None before the start and while the part runs."""
        return self._process and self._process.poll()

    def terminate(self) -> None:
        """Asks the process to end."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """Ends the process and its own children at once."""
        # They hold the pipe that is being read, so its end means that none is left,
        # and a group id that may belong to others by now is not signalled.
        if self._reader is not None and self._reader.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def join(self, timeout: float) -> None:
        """Waits until the process and its children are gone; kills what is left."""
        if self._reader is not None:
            self._reader.join(timeout)
            self.kill()
            self._reader.join(KILLED_WITHIN)

    def _read(
        self, process: subprocess.Popen[str], on_exit: Callable[[Part], None]
    ) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._show(self.name, line.rstrip())
        process.wait()
        on_exit(self)
