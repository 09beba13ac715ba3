"""A TCP proxy that does to connections what networks do: the tests' fault injector."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections import deque
from concurrent.futures import Future

from .proxy_link import (
    DIRECTIONS,
    HOLE,
    MUTE,
    NEVER,
    PASS,
    TO_CLIENT,
    TO_SERVER,
    Link,
    Rule,
)


__all__ = ["TO_CLIENT", "TO_SERVER", "Proxy"]


#: close() sends RST.
ABORT = struct.pack("ii", 1, 0)


class Proxy:
    """Forwards connections to a port of this machine, as long as it is told to.

    Each method holds for the connections there are and for those to come, and has
    taken effect when it returns. `mend` ends whatever was done before.
    """

    def __init__(self, port):
        self._target = ("127.0.0.1", port)
        # Holds the port while nobody listens on it.
        self._reserve = socket.socket()
        self._reserve.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserve.bind(("127.0.0.1", 0))
        self.port = self._reserve.getsockname()[1]
        self._rules = dict.fromkeys(DIRECTIONS, PASS)
        self._links = set()
        #: Those that hold bytes which are due at some time.
        self._timed = set()
        #: Bytes that were thrown away.
        self.swallowed = 0
        self._listener = None
        self._actions = deque()
        self._running = True
        self._selector = selectors.DefaultSelector()
        self._wake, waker = socket.socketpair()
        self._selector.register(waker, selectors.EVENT_READ, self._act)
        self._listen()
        self._thread = threading.Thread(target=self._run, args=(waker,), daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def connections(self):
        """Returns how many connections are open."""
        return len(self._links)

    def lead_to(self, port):
        """Has the connections to come led to another port."""
        self._do(lambda: setattr(self, "_target", ("127.0.0.1", port)))

    # Faults

    def apply(self, rule, *directions):
        """Treats all bytes of these directions by a rule."""
        self._do(lambda: self._apply(rule, directions))

    def mute(self, *directions):
        """Throws everything away."""
        self.apply(MUTE, *directions)

    def hole(self, *directions):
        """Holds everything back, ends of connections included, until it is mended."""
        self.apply(HOLE, *directions)

    def delay(self, seconds, *directions):
        """Forwards everything late."""
        self.apply(Rule(delay=seconds), *directions)

    def dribble(self, size, every, *directions):
        """Forwards some bytes every so many seconds."""
        self.apply(Rule(size=size, every=every), *directions)

    def strand(self):
        """Makes a hole of the connections there are; those to come are all right."""

        def strand():
            for link in self._links:
                for direction in DIRECTIONS:
                    self._switch(link, direction, HOLE)

        self._do(strand)

    def cut(self, reset=False):
        """Closes all connections, with RST if wanted, and refuses new ones."""

        def cut():
            self._deafen()
            for link in list(self._links):
                self._close(link, reset)

        self._do(cut)

    def mend(self):
        """Forwards everything again, and at once."""

        def mend():
            self._apply(PASS, DIRECTIONS)
            self._listen()

        self._do(mend)

    def close(self):
        """Closes all connections and ends the thread."""
        if self._running:
            self._do(lambda: setattr(self, "_running", False))
            self._thread.join()

    # The thread

    def _do(self, action):
        answer = Future()
        self._actions.append((action, answer))
        self._wake.send(b"!")
        answer.result(10)

    def _act(self, waker, _):
        waker.recv(4096)
        while self._actions:
            action, answer = self._actions.popleft()
            try:
                answer.set_result(action())
            except Exception as error:
                answer.set_exception(error)

    def _run(self, waker):
        while self._running:
            due = min((link.due() for link in self._timed), default=NEVER)
            timeout = None if due == NEVER else max(due - time.monotonic(), 0)
            for key, events in self._selector.select(timeout):
                # What came before it may have closed it.
                if key.fileobj.fileno() >= 0:
                    key.data(key.fileobj, events)
            now = time.monotonic()
            for link in [link for link in self._timed if link.due() <= now]:
                self._work(link)
        self._deafen()
        for link in list(self._links):
            self._close(link)
        self._selector.close()
        for sock in (self._reserve, self._wake, waker):
            sock.close()

    def _listen(self):
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _deafen(self):
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self, listener, _):
        near, _ = listener.accept()
        far = socket.socket()
        for sock in (near, far):
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A refusal is what the first use of the socket will raise.
        far.connect_ex(self._target)
        link = Link(near, far, self._rules)
        self._links.add(link)
        self._work(link)

    def _apply(self, rule, directions):
        for direction in directions or DIRECTIONS:
            self._rules[direction] = rule
            for link in list(self._links):
                self._switch(link, direction, rule)

    def _switch(self, link, direction, rule):
        link.flows[direction].switch(rule)
        self._work(link)

    def _work(self, link, readable=None, writable=None):
        """Moves what can be moved, then waits for what is missing."""
        try:
            for flow in link.flows.values():
                if flow.source is readable:
                    self.swallowed += flow.read()
                if flow.sink is writable:
                    flow.full = False
                flow.write()
        except OSError:
            self._close(link)
            return
        if all(flow.done for flow in link.flows.values()):
            self._close(link)
            return
        (self._timed.discard if link.due() == NEVER else self._timed.add)(link)
        for sock in (link.near, link.far):
            self._watch(link, sock, link.events(sock))

    def _watch(self, link, sock, events):
        known = self._selector.get_map().get(sock)
        if (known.events if known else 0) == events:
            return
        if known:
            self._selector.unregister(sock)
        if events:

            def ready(sock, events):
                self._work(
                    link,
                    sock if events & selectors.EVENT_READ else None,
                    sock if events & selectors.EVENT_WRITE else None,
                )

            self._selector.register(sock, events, ready)

    def _close(self, link, reset=False):
        self._links.discard(link)
        self._timed.discard(link)
        for sock in (link.near, link.far):
            with contextlib.suppress(KeyError):
                self._selector.unregister(sock)
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            sock.close()
