"""The greenlet that talks to Redis for the sockets, many of them in one round trip."""

from __future__ import annotations

import logging
from typing import Any, Callable, NamedTuple

import gevent
from gevent.event import AsyncResult, Event
from redis.exceptions import RedisError

from .metrics import Metrics


__all__ = ["Bulk", "Clerk"]

logger = logging.getLogger(__name__)

#: Jobs in one pipeline at the most, and in one script: Redis serves nobody else while a
#: script runs, about a hundredth of a millisecond for each job.
BATCH, BULK = 500, 100

Command = Callable[[Any], Any]


class Bulk(NamedTuple):
    """A command that serves many: it takes a list and answers with one."""

    add: Callable[[Any, list[Any]], Any]
    #: Whether it may be carried out before others that were submitted earlier.
    overtakes: bool = False


class _Job(NamedTuple):
    bulk: Bulk | None
    #: What the bulk is given; without one, a function that adds a command.
    item: Any
    #: Gets the answer, if somebody waits for it.
    result: AsyncResult[Any] | None
    #: Else called with the error, None if there was none.
    on_answer: Callable[[Exception | None], None] | None


class Clerk:
    """Runs Redis commands in the order they were submitted, in shared pipelines.

    While one pipeline is under way the next one gathers: the more sockets come at once,
    the fewer round trips each costs.
    """

    def __init__(self, redis: Any, metrics: Metrics) -> None:
        self._redis = redis
        self._metrics = metrics
        self._jobs: list[_Job] = []
        self._there_are_jobs = Event()
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
        return self._wait_for(None, command)

    def share(self, bulk: Bulk, item: Any) -> AsyncResult[Any]:
        """Queues one item for a bulk, which others may share; returns like `submit`."""
        return self._wait_for(bulk, item)

    def tell(
        self, bulk: Bulk, item: Any, on_answer: Callable[[Exception | None], None]
    ) -> None:
        """Queues one item like `share`, and calls a function that must not wait.

        Args:
            on_answer: gets the error, None if there was none.
        """
        self._queue(_Job(bulk, item, None, on_answer))

    def _wait_for(self, bulk: Bulk | None, item: Any) -> AsyncResult[Any]:
        result: AsyncResult[Any] = AsyncResult()
        self._queue(_Job(bulk, item, result, None))
        return result

    def _queue(self, job: _Job) -> None:
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._there_are_jobs.set()

    def _run(self) -> None:
        while True:
            self._there_are_jobs.wait()
            batch, self._jobs = self._jobs[:BATCH], self._jobs[BATCH:]
            if not self._jobs:
                self._there_are_jobs.clear()
            self._work(batch)

    def _work(self, batch: list[_Job]) -> None:
        groups = _grouped(batch)
        answers: list[Any]
        try:
            pipe = self._redis.pipeline(transaction=False)
            for bulk, jobs in groups:
                if bulk is None:
                    jobs[0].item(pipe)
                else:
                    bulk.add(pipe, [job.item for job in jobs])
            answers = pipe.execute(raise_on_error=False)
            if self._failing:
                self._failing = False
                self._metrics.redis_reconnects.inc()
        except (RedisError, OSError) as error:
            self._failing = True
            self._metrics.redis_failures.inc()
            logger.warning("! redis: %d commands failed: %s", len(batch), error)
            answers = [error] * len(groups)
        except Exception as error:
            # This branch should never run: whoever waits must still get an answer.
            logger.exception("unexpected internal error")
            answers = [error] * len(groups)
        for (bulk, jobs), answer in zip(groups, answers):
            if bulk is None or isinstance(answer, Exception):
                answer = [answer] * len(jobs)
            for job, own in zip(jobs, answer):
                _settle(job, own)


def _settle(job: _Job, answer: Any) -> None:
    error = answer if isinstance(answer, Exception) else None
    if job.on_answer is not None:
        try:
            job.on_answer(error)
        except Exception:
            # This branch should never run: others wait for their answers, too.
            logger.exception("unexpected internal error")
    elif job.result is not None:
        if error is not None:
            job.result.set_exception(error)
        else:
            job.result.set(answer)


def _grouped(batch: list[_Job]) -> list[tuple[Bulk | None, list[_Job]]]:
    """Returns the jobs by the command that serves them, in the order of commands."""
    groups: list[tuple[Bulk | None, list[_Job]]] = []
    overtaking: dict[Bulk, list[_Job]] = {}
    for job in batch:
        bulk = job.bulk
        jobs: list[_Job] = []
        if bulk is not None:
            if bulk.overtakes:
                jobs = overtaking.get(bulk, jobs)
            elif groups and groups[-1][0] == bulk:
                jobs = groups[-1][1]
        if not jobs or len(jobs) >= BULK:
            jobs = []
            groups.append((bulk, jobs))
            if bulk is not None and bulk.overtakes:
                overtaking[bulk] = jobs
        jobs.append(job)
    return groups
