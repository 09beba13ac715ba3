"""Clients that break the protocol, or bend it: each is told so, at once and for little.

Compression has its own tests: `websocket/test_deflate` and `websocket/test_limits`.
"""

from __future__ import annotations

import contextlib
import statistics
import struct
import threading
import time
from pathlib import Path

import psutil
import pytest

from ..running import DEADLINE, PLAIN_WAYS, System, wait_until
from ..websocket.test_protocol import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MASK,
    PING,
    PONG,
    TEXT,
    closing,
    frame,
)
from .publisher import Publisher
from .raw import RawSocket
from .readers import Readers


pytestmark = pytest.mark.faults

#: What RFC 6455 §5.2 makes of a size of 64 bits.
LONG = struct.Struct("!BBQ")


def begun(opcode, size):
    """Returns the head of a frame of this size, and some of its payload."""
    return LONG.pack(0x80 | opcode, 0xFF, size) + MASK + b"x" * 1000


#: What a client sends -> the code of the close frame that it gets.
ABUSE = {
    "2 GiB announced": (begun(TEXT, 1 << 31), 1009),
    "2^63 - 1 bytes announced": (begun(BINARY, (1 << 63) - 1), 1009),
    "2^63 bytes announced": (begun(BINARY, 1 << 63), 1002),
    "endless fragments of 3 KB": (
        frame(TEXT, b"x" * 3000, fin=False)
        + frame(CONTINUATION, b"x" * 3000, fin=False) * 100,
        1009,
    ),
    "endless fragments of a byte": (
        frame(TEXT, b"x", fin=False) + frame(CONTINUATION, b"x", fin=False) * 5000,
        1008,
    ),
    "endless fragments of nothing": (
        frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"", fin=False) * 5000,
        1008,
    ),
    "unmasked": (frame(TEXT, b"hello", mask=None), 1002),
    "reserved bit 1": (frame(TEXT, b"x", rsv=4), 1002),
    "reserved bit 2": (frame(TEXT, b"x", rsv=2), 1002),
    "reserved bit 3": (frame(PING, b"x", rsv=1), 1002),
    "opcode 3": (frame(0x3, b"x"), 1002),
    "opcode 11": (frame(0xB, b"x"), 1002),
    "ping of 126 bytes": (frame(PING, b"x" * 126), 1002),
    "no UTF-8": (frame(TEXT, b"x" * 5000 + b"\xff"), 1007),
    "close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "close code 999": (closing(999), 1002),
    "close code 1005": (closing(1005), 1002),
    # Registered since, so it is a browser's right to say it.
    "close code 1012": (closing(1012), 1012),
    "close code 5000": (closing(5000), 1002),
    "10,000 pings": (frame(PING, b"x") * 10_000, 1008),
    "10,000 pongs": (frame(PONG) * 10_000, 1008),
    "10,000 messages": (frame(TEXT, b"x") * 10_000, 1008),
}

#: Sockets of each kind.
TIMES = 5

#: Bytes of memory that a kind of abuse may leave behind.
MEMORY = 1_000_000

#: Seconds of the relay's time that one socket's abuse may take, from its first byte to
#: the end. No other socket can wait longer for it.
STALL = 0.005

#: Seconds of a room alone, before and after, and with abuse in between.
ALONE, ABUSED = 3.0, 4.0

#: Milliseconds for the noise of the machine.
NOISE = 5.0


@pytest.fixture(params=PLAIN_WAYS)
def system(request, redis_url):
    with System(redis_url, request.param) as system:
        yield system


def test_abuse_is_told_by_its_code_and_costs_little(system):
    process = Process(system.nodes[0])
    for data, code in ABUSE.values():
        assert abuse(system, data) == code  # Warm.
    worst, most = ("", 0.0), ("", 0)
    for name, (data, code) in ABUSE.items():
        settled(system)
        memory, spent = process.resident(), []
        for _ in range(TIMES):
            sock = opened(system)
            before = process.spent()
            assert told(sock, data) == code, name
            spent.append(process.spent() - before)
        # The relay's own timers fall into one or the other.
        worst = max(worst, (name, statistics.median(spent)), key=lambda one: one[1])
        most = max(most, (name, process.resident() - memory), key=lambda one: one[1])
    print(
        f"{len(ABUSE)} kinds: most time {worst[1] * 1000:.2f} ms ({worst[0]}), "
        f"most memory {most[1] / 1000:.0f} kB ({most[0]})"
    )
    assert worst[1] <= STALL, worst
    assert most[1] <= MEMORY, most


def test_abuse_delays_nobody(system):
    clients = range(1, 51)
    with contextlib.ExitStack() as stack:
        readers = stack.enter_context(Readers(system, clients))
        for client in clients:
            system.client.join_chan(client, "room")
        stack.enter_context(Publisher(system.client, "room", 100, 200))
        before = watched(readers, ALONE)
        attackers = Attackers(system)
        with attackers:
            during = watched(readers, ABUSED)
        after = watched(readers, ALONE)
        base = max(before.latency(0.99), after.latency(0.99))
        print(
            f"{attackers.done} abused sockets: before {before}; during {during}; "
            f"after {after}"
        )
        assert attackers.done >= len(ABUSE)
        assert attackers.failures == []
        assert readers.ask("open") == len(clients)
        assert not before.faults + during.faults + after.faults
        assert during.latency(0.99) <= 1.2 * base + NOISE


def opened(system):
    url = system.client.prev_connect_server(1000)
    return RawSocket(url, DEADLINE)


def told(sock, data):
    """Sends bytes; returns the code of the close frame that comes for them."""
    with contextlib.suppress(ConnectionError):
        sock.sendall(data)
    return sock.close_code()


def abuse(system, data):
    return told(opened(system), data)


def settled(system):
    wait_until(lambda: system.sockets_of(1000) == 0, "abused sockets have ended")


def watched(readers, seconds):
    """Returns what the readers got in a while."""
    readers.report()
    time.sleep(seconds)  # The window that is observed.
    return readers.report()


class Process:
    """The process that holds a node's sockets."""

    def __init__(self, node):
        self._pid = (node.worker_pids() or [node.pid])[0]
        self._process = psutil.Process(self._pid)

    def resident(self):
        return self._process.memory_info().rss

    def spent(self):
        """Returns the seconds in which its main thread ran, to the nanosecond."""
        stat = Path(f"/proc/{self._pid}/task/{self._pid}/schedstat").read_text()
        return int(stat.split()[0]) / 1e9


class Attackers:
    """One abused socket after the other, in a thread."""

    def __init__(self, system):
        self._system = system
        self.done, self.failures = 0, []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join(DEADLINE)

    def _run(self):
        while True:
            for name, (data, code) in ABUSE.items():
                # Some fifty a second.
                if self._stopping.wait(0.02):
                    return
                try:
                    got = abuse(self._system, data)
                except OSError as error:
                    got = error
                if got != code:
                    self.failures.append((name, got))
                self.done += 1
