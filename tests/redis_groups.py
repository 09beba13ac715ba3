"""A master with a replica and three sentinels, and a cluster of three nodes."""

from __future__ import annotations

import contextlib

import redis

from demo.redis_server import find_redis_server, free_port, redis_answers

from .running import Server, clean_environ, redis_server, wait_until


SERVICE = "chat"

#: Milliseconds without an answer after which a sentinel thinks that a master is down.
DOWN_AFTER = 1000

SLOTS = 16384


def client_of(server):
    """Returns a plain client of one server, whatever its role."""
    return redis.Redis(port=server.port, socket_timeout=5, protocol=2, retry=None)


def ask(server, *command):
    """Returns the bare answer of one server."""
    with client_of(server) as client:
        client.response_callbacks.clear()
        return client.execute_command(*command)


def role(server):
    """Returns `master` or `slave`; None while a sentinel is changing it."""
    try:
        return ask(server, "ROLE")[0]
    except redis.ConnectionError:
        # The sentinel cuts off all clients then.
        return None


def kill(server):
    """Ends a process that may be stopped, or gone."""
    server.kill()
    server.join(5)


def sentinel_of(port, folder, *lines, quorum=1):
    """Returns a sentinel that can be started and watches the master at a port.

    Args:
        lines: of the configuration, beside those that it needs.
    """
    own = free_port()
    # A sentinel writes its configuration again whenever it learns something.
    (folder / "sentinel.conf").write_text(
        f"bind 127.0.0.1\nport {own}\ndir {folder}\n"
        f"sentinel monitor {SERVICE} 127.0.0.1 {port} {quorum}\n"
        f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER}\n"
        f"sentinel failover-timeout {SERVICE} 5000\n" + "\n".join(lines) + "\n"
    )
    sentinel = Server(
        "sentinel",
        [find_redis_server(), str(folder / "sentinel.conf"), "--sentinel"],
        ready=lambda: redis_answers(f"redis://127.0.0.1:{own}"),
        environ=clean_environ(),
    )
    sentinel.port = own
    return sentinel


def cluster_node(folder):
    """Returns a node of a cluster that can be started."""
    port = free_port()
    # The nodes talk to each other at a port that is this much higher.
    while port + 10000 > 65535:
        port = free_port()
    cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"]
    return redis_server(folder, port, cluster)


class _Group:
    """Servers that are killed at the end, whatever state they are in."""

    def __init__(self, folder):
        self._folder = folder
        self._running = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as failed:
            failed.callback(self._running.close)
            self._set_up()
            failed.pop_all()
        return self

    def __exit__(self, *_):
        self._running.close()

    def _serve(self, server):
        self._running.callback(kill, server)
        return server.serve()

    def _make_folder(self, name):
        folder = self._folder / name
        folder.mkdir()
        return folder


class Replicated(_Group):
    """A master, its replica and three sentinels."""

    def _set_up(self):
        self.master = self._serve(redis_server(self._make_folder("master")))
        follow = ["--replicaof", "127.0.0.1", str(self.master.port)]
        self.replica = self._serve(
            redis_server(self._make_folder("replica"), arguments=follow)
        )
        wait_until(lambda: ask(self.master, "ROLE")[2], "the replica follows")
        self.sentinels = [self._serve(self._sentinel(number)) for number in range(3)]
        wait_until(self._agreed, "the sentinels know each other and the replica")

    @property
    def url(self):
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    def promoted(self):
        """Tells whether the replica is a master now, and all sentinels say so."""
        return role(self.replica) == b"master" and all(
            int(ask(one, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])
            == self.replica.port
            for one in self.sentinels
        )

    def _sentinel(self, number):
        folder = self._make_folder(f"sentinel-{number}")
        return sentinel_of(self.master.port, folder, quorum=2)

    def _agreed(self):
        for sentinel in self.sentinels:
            answer = ask(sentinel, "SENTINEL", "MASTER", SERVICE)
            state = dict(zip(answer[::2], answer[1::2]))
            if state[b"num-slaves"] != b"1" or state[b"num-other-sentinels"] != b"2":
                return False
        return True


class Clustered(_Group):
    """A cluster of three masters."""

    def _set_up(self):
        self.nodes = [
            self._serve(cluster_node(self._make_folder(f"node-{number}")))
            for number in range(3)
        ]
        share = SLOTS // 3 + 1
        for number, node in enumerate(self.nodes):
            ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            own = range(number * share, min((number + 1) * share, SLOTS))
            ask(node, "CLUSTER", "ADDSLOTS", *own)
        for node in self.nodes[1:]:
            ask(self.nodes[0], "CLUSTER", "MEET", "127.0.0.1", node.port)
        wait_until(self._agreed, "the nodes know each other")

    @property
    def url(self):
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"redis+cluster://{hosts}"

    def owner(self, slot):
        """Returns the node that has a slot by its own account."""
        for first, last, (_, port, *_), *_ in ask(self.nodes[0], "CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        raise AssertionError(f"nobody owns slot {slot}")

    def move(self, slot, target):
        """Gives a slot and its keys to another node, as redis-cli does."""
        source = self.owner(slot)
        names = [ask(node, "CLUSTER", "MYID") for node in (source, target)]
        ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", names[0])
        ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", names[1])
        while True:
            keys = ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100)
            if not keys:
                break
            where = ["127.0.0.1", target.port, "", 0, 5000]
            ask(source, "MIGRATE", *where, "KEYS", *keys)
        for node in [target, source, *self.nodes]:
            ask(node, "CLUSTER", "SETSLOT", slot, "NODE", names[1])

    def _agreed(self):
        return all(
            b"cluster_state:ok" in ask(node, "CLUSTER", "INFO")
            and len(ask(node, "CLUSTER", "SLOTS")) == 3
            for node in self.nodes
        )
