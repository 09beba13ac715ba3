"""A thread of the helper that goes on whatever Redis does, until it is told to stop."""

from __future__ import annotations

import logging
import os
import random
import threading

from redis.exceptions import RedisError

from .client import ImClient
from .errors import ForkedError


__all__ = ["Subscription"]

logger = logging.getLogger(__name__)

#: Seconds before the first and between the last attempts to reach Redis again.
FIRST_RETRY, LAST_RETRY = 0.1, 5.0

#: Seconds that `stop` waits for a handler to finish.
STOP_TIMEOUT = 5.0


class Subscription:
    """Runs `_work` in a thread, again and again, with growing pauses; ended by `stop`.

    A subclass sets `_ready` as soon as it misses nothing any more.
    """

    #: The method that starts it, for those who used it after a fork.
    started_by = ""

    #: What it means that Redis is away, for the log.
    while_away = ""

    def __init__(self, client: ImClient) -> None:
        self._client = client
        self._pid = 0
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run,
            name=f"freeim-{self.started_by.replace('_', '-')}",
            daemon=True,
        )

    def start(self) -> None:
        """Starts the thread, and waits until Redis took the subscription or failed."""
        self._pid = os.getpid()
        self._thread.start()
        self._ready.wait(
            self._client.options.connect_timeout + self._client.options.timeout
        )

    def stop(self) -> None:
        """Ends the subscription and waits for the handler that is at work.

        Raises:
            ForkedError: in a child of the process that started it.
        """
        self._check_process()
        self._stopping.set()
        self._interrupt()
        if threading.current_thread() is not self._thread:
            self._thread.join(STOP_TIMEOUT)

    @property
    def alive(self) -> bool:
        """Whether events are still waited for.

        Raises:
            ForkedError: in a child of the process that started it.
        """
        self._check_process()
        return self._thread.is_alive()

    def _work(self) -> None:
        """Does what the thread is for until `_stopping` is set or Redis fails."""
        raise NotImplementedError

    def _interrupt(self) -> None:
        """Wakes `_work` if it would not see soon that it is to end."""

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise ForkedError(self._pid, os.getpid(), self.started_by)

    def _run(self) -> None:
        pause = FIRST_RETRY
        while not self._stopping.is_set():
            try:
                self._work()
            except Exception as error:
                if self._stopping.is_set():
                    return
                self._report(error)
            # It was up: begin with short pauses again.
            if self._ready.is_set():
                pause = FIRST_RETRY
            self._ready.clear()
            self._stopping.wait(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, LAST_RETRY)

    def _report(self, error: Exception) -> None:
        what = self.started_by.replace("_", " ")
        if isinstance(error, (RedisError, OSError)):
            logger.warning("%s lost Redis, %s: %s", what, self.while_away, error)
        else:
            logger.exception("%s failed, %s", what, self.while_away)
