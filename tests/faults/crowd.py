"""Many clients of one node, with the reconnect that browsers should have.

    python -m tests.faults.crowd REDIS_URL SERVER ADDRESS FIRST_ID COUNT stay|return

A process of its own, so that its work does not delay the test's clock. Each line that
it prints is one thing that happened to one client: seconds of the monotonic clock,
which all processes share, client id, what, and a code.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time

import gevent
from gevent import monkey
from gevent.lock import BoundedSemaphore

from freeim import ImClient

from ..running import DEADLINE, Server, clean_environ, wait_until
from .raw import RawSocket, Refused


#: Seconds of the first pause before a new attempt, at the most, and of any.
FIRST_PAUSE, LAST_PAUSE = 0.25, 1.0

#: Clients that connect at the same time in the beginning; later they come as they like.
AT_A_TIME = 32


class Happening:
    """One line of a crowd."""

    def __init__(self, line):
        at, client, self.what, self.code = line.split(" ", 3)
        self.at, self.client = float(at), int(client)

    def __repr__(self):
        return f"{self.at:.3f} {self.client} {self.what} {self.code}"


class Crowd(Server):
    """The process, seen from a test."""

    def __init__(self, system, count, first=1, come_back=False, node=None):
        self.clients = range(first, first + count)
        self._seen, self._connected, self._read_lines = [], set(), 0
        node = node or system.nodes[0]
        super().__init__(
            f"crowd of {count}",
            [
                *(sys.executable, "-W", "ignore", "-m", "tests.faults.crowd"),
                *(system.client.options.redis, node.server_name, node.address),
                *(str(first), str(count), "return" if come_back else "stay"),
            ],
            ready=lambda: len(self.connected()) == count,
            environ=clean_environ(),
        )

    def happened(self, *kinds, since=0.0):
        """Returns what happened, in order, of some kinds."""
        self._read_on()
        return [one for one in self._seen if one.what in kinds and one.at >= since]

    def connected(self):
        """Returns the clients that have a socket."""
        self._read_on()
        return self._connected

    def _read_on(self):
        # A test that reads all of it again and again slows down what it waits for.
        new = self.lines[self._read_lines :]
        self._read_lines += len(new)
        for one in [Happening(line) for line in new if line[:1].isdigit()]:
            self._seen.append(one)
            if one.what == "open":
                self._connected.add(one.client)
            elif one.what == "closed":
                self._connected.discard(one.client)

    def cut(self):
        """Has all their connections break at once; returns when."""
        begin = time.monotonic()
        os.kill(self.pid, signal.SIGUSR1)
        wait_until(
            lambda: len(self.happened("closed", since=begin)) >= len(self.clients),
            "all are cut",
        )
        return begin

    def absences(self):
        """Returns how long clients were away, each time."""
        left, found = {}, []
        for one in self.happened("closed", "open"):
            if one.what == "closed":
                left[one.client] = one.at
            elif one.client in left:
                found.append(one.at - left.pop(one.client))
        assert not left, f"did not come back: {sorted(left)}"
        return found

    def waits(self):
        """Returns how long each attempt took, and what became of it."""
        begun, found = {}, []
        for one in self.happened("try", "open", "refused", "failed"):
            if one.what == "try":
                begun[one.client] = one.at
            else:
                found.append((one.at - begun.pop(one.client), one))
        return found

    def wait_until_closed(self):
        """Waits until each client's socket has ended; for those that stay away."""
        count = len(self.clients)
        wait_until(lambda: len(self.happened("closed")) >= count, "all are closed")
        return self.happened("closed")


def say(client, what, code="-"):
    sys.stdout.write(f"{time.monotonic():.4f} {client} {what} {code}\n")
    sys.stdout.flush()


def live(helper, client, come_back, gate, tokens, opened):
    """One client: connect, listen until the end, pause, begin again."""
    attempt = 0
    while True:
        try:
            with gate:
                # A token is good for one attempt.
                with tokens:
                    url = helper.prev_connect_server(client)
                say(client, "try")
                sock = RawSocket(url, DEADLINE)
        except Refused as refusal:
            attempt += 1
            say(client, "refused", refusal.status)
        except OSError as error:
            attempt += 1
            say(client, "failed", type(error).__name__)
        else:
            attempt = 0
            say(client, "open")
            opened.add(sock)
            try:
                code = sock.close_code()
            except OSError as error:
                code = type(error).__name__
                sock.end()
            opened.discard(sock)
            say(client, "closed", code)
            gate = contextlib.nullcontext()
        if not come_back:
            return
        # Back-off with jitter: the whole range, so that no two waves meet.
        longest = min(LAST_PAUSE, FIRST_PAUSE * 2**attempt)
        gevent.sleep(random.uniform(0, longest))


def cut(opened):
    """Breaks all connections, as a network does that is gone."""
    for sock in list(opened):
        sock.end()


def main(redis_url, server, address, first, count, mode):
    helper = ImClient(
        redis=redis_url,
        servers=[server],
        public_url=f"ws://{address}{{path}}?token={{token}}",
    )
    come_back = mode == "return"
    gate = BoundedSemaphore(AT_A_TIME)
    # As many as the helper has connections: who waits for one longer gets an error.
    tokens = BoundedSemaphore(AT_A_TIME)
    opened: set[RawSocket] = set()
    gevent.signal_handler(signal.SIGUSR1, cut, opened)
    clients = range(int(first), int(first) + int(count))
    terms = (come_back, gate, tokens, opened)
    gevent.joinall([gevent.spawn(live, helper, one, *terms) for one in clients])


if __name__ == "__main__":
    monkey.patch_all()
    main(*sys.argv[1:])
