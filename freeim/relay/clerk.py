"""The greenlet that talks to Redis for the sockets, many of them in one round trip."""

from __future__ import annotations

import logging
from typing import Any, Callable, NamedTuple

import gevent
from gevent.event import AsyncResult
from gevent.queue import Queue
from redis.exceptions import RedisError

from .metrics import Metrics


__all__ = ["Clerk"]

logger = logging.getLogger(__name__)

#: Commands in one pipeline at the most.
BATCH = 500

Command = Callable[[Any], Any]


class _Job(NamedTuple):
    command: Command
    result: AsyncResult[Any]


class Clerk:
    """Runs Redis commands in the order they were submitted, in shared pipelines.

    While one pipeline is under way the next one gathers: the more sockets come at once,
    the fewer round trips each costs.
    """

    def __init__(self, redis: Any, metrics: Metrics) -> None:
        self._redis = redis
        self._metrics = metrics
        self._jobs: Queue[_Job] = Queue()
        self._greenlet = gevent.Greenlet(self._run)
        self._failing = False

    def start(self) -> None:
        """Starts to work."""
        self._greenlet.start()

    def stop(self, timeout: float) -> None:
        """Waits until what was submitted is done, for some seconds; then ends."""
        answer = self.submit(lambda pipe: pipe.ping())
        # Redis that did not answer lately hardly will now: the end must not be late.
        answer.wait(timeout / 2 if self._failing else timeout)
        self._greenlet.kill()

    def submit(self, command: Command) -> AsyncResult[Any]:
        """Queues a function that adds exactly one command to a pipeline.

        Returns:
            The command's answer to come; its `get` raises what Redis answered, or
            redis-py's error if Redis was not reached. It is never sent twice.
        """
        result: AsyncResult[Any] = AsyncResult()
        self._jobs.put(_Job(command, result))
        return result

    def _run(self) -> None:
        while True:
            batch: list[_Job] = [self._jobs.get()]
            while len(batch) < BATCH and not self._jobs.empty():
                batch.append(self._jobs.get())
            self._work(batch)

    def _work(self, batch: list[_Job]) -> None:
        try:
            pipe = self._redis.pipeline(transaction=False)
            for job in batch:
                job.command(pipe)
            answers = pipe.execute(raise_on_error=False)
            self._failing = False
        except (RedisError, OSError) as error:
            self._failing = True
            self._metrics.redis_failures.inc()
            logger.warning("! redis: %d commands failed: %s", len(batch), error)
            answers = [error] * len(batch)
        except Exception as error:
            # This branch should never run: whoever waits must still get an answer.
            logger.exception("unexpected internal error")
            answers = [error] * len(batch)
        for job, answer in zip(batch, answers):
            if isinstance(answer, Exception):
                job.result.set_exception(answer)
            else:
                job.result.set(answer)
