"""More direct messages than a relay can deliver, in a process of its own.

    python -m tests.faults.flood REDIS_URL CHANNEL FIRST_ID COUNT

It publishes as fast as it can while Redis holds less than `BACKLOG` back for those who
subscribed: far below what it cuts them off for. A line on its standard input ends it.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys

from freeim.redis_client import open_redis

from ..running import DEADLINE, clean_environ, wait_until


#: Bytes that Redis may hold back: about a second of messages.
BACKLOG = 4_000_000

#: Messages that are published at once.
CHUNK = 500

CONTENT = "x" * 60


class Flood:
    """The process, seen from a test; it runs in a `with`."""

    def __init__(self, system, clients):
        channel = system.client.wire.server_channel(system.nodes[0].server_name)
        self._redis = system.redis
        self._command = [
            *(sys.executable, "-m", "tests.faults.flood"),
            *(system.client.options.redis, channel),
            *(str(clients[0]), str(len(clients))),
        ]

    def __enter__(self):
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=clean_environ(),
        )
        wait_until(lambda: backlog(self._redis) > BACKLOG / 2, "the relay is flooded")
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()

    def stop(self):
        """Ends it; returns how many messages it published, how often it looked at Redis
        once the flood had come, and how often that had nothing left for the relay."""
        self._process.stdin.write("stop\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def backlog(redis):
    """Returns how many bytes Redis holds back for a subscription."""
    return max(int(one["omem"]) for one in redis.client_list("pubsub"))


def chunk(channel, clients):
    """Returns the commands that publish a message to each of these clients."""
    commands = []
    for client in clients:
        direct = f'{{"Item1":0,"Item2":[{client}],"Item3":"\\"{CONTENT}\\""}}'
        parts = ("PUBLISH", channel, direct)
        texts = "".join(f"${len(part)}\r\n{part}\r\n" for part in parts)
        commands.append(f"*3\r\n{texts}")
    return "".join(commands).encode()


def main(url, channel, first, count):
    redis = open_redis(url, connect_timeout=DEADLINE, timeout=DEADLINE)
    publisher = open_redis(url, connect_timeout=DEADLINE, timeout=DEADLINE)
    link = publisher.connection_pool.get_connection()
    clients = [int(first) + number % int(count) for number in range(CHUNK)]
    data = chunk(channel, clients)
    published = looks = empty = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        held = backlog(redis)
        if looks or held > BACKLOG / 2:
            looks += 1
            empty += held == 0
        if held > BACKLOG:
            select.select([sys.stdin], [], [], 0.005)
            continue
        link.send_packed_command([data])
        for _ in range(CHUNK):
            link.read_response()
        published += CHUNK
    report = {"published": published, "looks": looks, "empty": empty}
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
