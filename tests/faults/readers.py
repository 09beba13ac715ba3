"""Many clients that look at every byte they get, in a process of its own."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from ..running import clean_environ
from .reading import TICK


class Readers:
    """The process, seen from a test."""

    def __init__(self, system, clients, node=None, tls=False, **plan):
        """Takes what becomes of the sockets as keywords.

        Args:
            stopped: do not read before `read` was called.
            counting: count frames, whatever they say.
            receive_buffer: SO_RCVBUF.
            read_size: bytes of a read at most; each read takes a random part of it.
            stalls: [share of reads after which a socket pauses, seconds at most].
        """
        self.clients = clients
        node = node or system.nodes[0]
        self._plan = {
            "redis": system.client.options.redis,
            "server": node.server_name,
            "url": system.client.options.public_url[node.server_name],
            "clients": list(clients),
            "tls": tls,
            **plan,
        }
        self._process = None

    def __enter__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.reading", json.dumps(self._plan)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=clean_environ(),
        )
        try:
            assert self._answer() == "open"
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()

    def ask(self, command):
        """Gives a command of `Crowd.COMMANDS` and returns the answer to it."""
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._answer()

    def report(self):
        """Returns what happened since the last report."""
        return Report(self.ask("report"))

    def _answer(self):
        line = self._process.stdout.readline()
        assert line, "the readers have died"
        return json.loads(line)


class Report:
    """What some clients got in some time."""

    def __init__(self, values):
        self.faults = values["faults"]
        #: Sockets that the server still holds open.
        self.open = values["open"]
        self.frames = values["frames"]
        #: Bytes of frames that did not come whole, over all sockets.
        self.unfinished = values["unfinished"]
        #: By client: when its pings came.
        self.pings = {int(one): times for one, times in values["pings"].items()}
        #: By client and caller: (first number, last number, how many).
        self.got = {
            int(one): {int(caller): tuple(seen) for caller, seen in callers.items()}
            for one, callers in values["got"].items()
        }
        #: For each second: how many messages were on their way for so many ticks.
        self._seconds = [
            {int(ticks): count for ticks, count in second.items()}
            for second in values["latencies"].values()
        ]

    def latency(self, share):
        """Returns the milliseconds in which a share of messages came, such as 0.99.

        It is the median of the seconds' figures: what else the machine does in some of
        them does not count.
        """
        return statistics.median(self._by_second(share)) * TICK * 1000

    def worst(self, share):
        """Returns the same of the worst second: a short stall of all shows here."""
        return max(self._by_second(share)) * TICK * 1000

    def _by_second(self, share):
        return [_share_of(second, share) for second in self._seconds]

    def __str__(self):
        shares = ", ".join(
            f"p{100 * share:g} {self.latency(share):.1f} ms" for share in (0.5, 0.99)
        )
        slowest = max(map(max, self._seconds)) * TICK * 1000
        return f"{self.frames} frames, {shares}, slowest {slowest:.0f} ms"


def _share_of(counts, share):
    """Returns the value up to which a share of all counted ones goes."""
    left = share * sum(counts.values())
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            return value
    raise AssertionError("nothing came")
