"""Many clients that look at every byte they get: the process behind `Readers`.

    python -m tests.faults.reading PLAN

PLAN is JSON, made by `Readers`. Each line on the standard input is a command, each line
on the standard output the answer. A message is what `message` returns; a frame that is
not whole, or does not follow the one before it, is a fault.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import random
import selectors
import socket
import ssl
import sys
import time
from collections import Counter, defaultdict

from freeim import ImClient

from ..running import DEADLINE
from .raw import CLOSE, FIN, LONG_SIZES, PING, TEXT, RawSocket


#: An empty pong as a client must mask it (RFC 6455 §5.5.3).
PONG_FRAME = b"\x8a\x80\x00\x00\x00\x00"

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE

#: Seconds in which a latency is counted.
TICK = 0.0001

#: Faults that are told; one broken stream has thousands.
FAULTS = 10


def message(caller, number, padding=0):
    """Returns a message that tells who sent it, when, and as which of his."""
    return f"{caller} {number} {time.monotonic():.6f} {'x' * padding}"


class Stream:
    """What comes through one socket."""

    def __init__(self, client, sock, data, latencies):
        """Takes where latencies are counted; None counts frames only."""
        self.client, self.sock = client, sock
        self.open = True
        #: Bytes since the handshake, frames since the last report.
        self.size = self.frames = 0
        self.pings, self.faults = [], []
        self.got = {}
        self._latencies = latencies
        self.rest = b""
        self.feed(data)

    def read(self, size):
        """Reads once."""
        try:
            data = self.sock.recv(size)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            data = b""
        if data:
            self.feed(data)
        else:
            self.open = False

    def pending(self):
        return self.open and self.sock.pending()

    def feed(self, data):
        """Takes bytes as they come and looks at all whole frames in them."""
        self.size += len(data)
        data = self.rest + data
        at, end, now = 0, len(data), time.monotonic()
        while end - at >= 2:
            first, size, begin = data[at], data[at + 1], at + 2
            if size > 125:
                begin += LONG_SIZES.get(size, 0)
                size = int.from_bytes(data[at + 2 : begin], "big")
            if begin + size > end:
                break
            self._frame(first, data[begin : begin + size], now)
            at = begin + size
        self.rest = data[at:]

    def _frame(self, first, content, now):
        self.frames += 1
        if first == FIN | TEXT:
            if self._latencies is not None:
                self._message(content, now)
        elif first == FIN | PING and not content:
            self.pings.append(now)
            with contextlib.suppress(OSError):
                self.sock.send(PONG_FRAME)
        elif first != FIN | CLOSE or len(content) < 2:
            self.faults.append(f"{self.client}: not a frame: {first:#x} {content[:40]}")

    def _message(self, content, now):
        try:
            caller, number, sent_at, padding = content.split(b" ", 3)
            caller, number = int(caller[1:]), int(number)
            whole = content[:1] == b'"' and padding.strip(b"x") == b'"'
        except ValueError:
            whole = False
        if not whole:
            self.faults.append(f"{self.client}: not a message: {content[:60]}")
            return
        self._latencies[int(now)][int((now - float(sent_at)) / TICK)] += 1
        seen = self.got.setdefault(caller, [number, number - 1, 0])
        if number <= seen[1]:
            self.faults.append(f"{self.client}: {number} of {caller} after {seen[1]}")
        seen[1], seen[2] = number, seen[2] + 1


class Crowd:
    """All sockets of the process, and its commands."""

    def __init__(self, plan):
        self._plan = plan
        self._selector = selectors.DefaultSelector()
        self._pauses = []
        helper = ImClient(
            redis=plan["redis"], servers=[plan["server"]], public_url=plan["url"]
        )
        self._latencies = defaultdict(Counter)
        latencies = None if plan.get("counting") else self._latencies
        self._streams = [
            Stream(client, *self._connect(helper, client), latencies)
            for client in plan["clients"]
        ]
        if not plan.get("stopped"):
            self._read()
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        print('"open"', flush=True)

    def run(self):
        share, longest = self._plan.get("stalls", (0, 0))
        most = self._plan.get("read_size")
        while True:
            until = self._pauses[0][0] - time.monotonic() if self._pauses else None
            for key, _ in self._selector.select(until and max(0, until)):
                if key.data is None:
                    if not self._obey(sys.stdin.readline().strip()):
                        return
                    continue
                size = random.randint(1, most) if most else 65536
                key.data.read(size)
                # What TLS holds already, select() does not see.
                while self._plan["tls"] and key.data.pending():
                    key.data.read(size)
                if not key.data.open:
                    self._selector.unregister(key.data.sock)
                elif share and random.random() < share:
                    self._pause(key.data, random.uniform(0, longest))
            while self._pauses and self._pauses[0][0] <= time.monotonic():
                stream = heapq.heappop(self._pauses)[2]
                self._selector.register(stream.sock, selectors.EVENT_READ, stream)

    def _connect(self, helper, client):
        """Opens a client's socket; returns it, and what came behind the handshake."""

        def connect(address, timeout):
            sock = socket.socket()
            if "receive_buffer" in self._plan:
                # Before it connects: the window's size is told in the beginning.
                size = self._plan["receive_buffer"]
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            sock.settimeout(timeout)
            sock.connect(address)
            return TLS.wrap_socket(sock) if self._plan["tls"] else sock

        url = helper.prev_connect_server(client)
        sock, data = RawSocket(url, DEADLINE, connect).detach()
        sock.setblocking(False)
        return sock, data

    def _pause(self, stream, seconds):
        self._selector.unregister(stream.sock)
        entry = (time.monotonic() + seconds, stream.client, stream)
        heapq.heappush(self._pauses, entry)

    def _obey(self, command):
        if command:
            answer = self.COMMANDS[command](self)
            print(json.dumps(answer), flush=True)
        return command

    def _read(self):
        """Begins to read."""
        for stream in self._streams:
            self._selector.register(stream.sock, selectors.EVENT_READ, stream)

    def _least(self):
        """Tells how many bytes came to the socket that got the least of them."""
        return min(stream.size for stream in self._streams)

    def _total(self):
        """Tells how many bytes came to all sockets."""
        return sum(stream.size for stream in self._streams)

    def _open(self):
        return sum(stream.open for stream in self._streams)

    def _report(self):
        values = defaultdict(int, faults=[], got={}, pings={}, open=self._open())
        values["latencies"] = dict(self._latencies)
        self._latencies.clear()
        for stream in self._streams:
            values["frames"] += stream.frames
            values["unfinished"] += len(stream.rest)
            values["faults"] += stream.faults
            values["got"][stream.client] = stream.got
            values["pings"][stream.client] = stream.pings
            stream.frames, stream.got, stream.pings, stream.faults = 0, {}, [], []
        values["faults"] = values["faults"][:FAULTS]
        return values

    COMMANDS = {
        "read": _read,
        "least": _least,
        "total": _total,
        "open": _open,
        "report": _report,
    }


if __name__ == "__main__":
    Crowd(json.loads(sys.argv[1])).run()
