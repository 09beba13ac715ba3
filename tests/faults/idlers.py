"""Many clients that do nothing but answer pings, in one thread."""

from __future__ import annotations

import contextlib
import selectors
import threading
import time

import websocket

from ..running import DEADLINE


#: An empty ping, and an empty pong as a client must mask it (RFC 6455 §5.5.3).
PING, PONG = b"\x89\x00", b"\x8a\x80\x00\x00\x00\x00"


class Idlers:
    """Raw sockets that are read without a WebSocket library: it notes each ping."""

    def __init__(self, client, client_ids):
        self._selector = selectors.DefaultSelector()
        #: When each ping came.
        self.pings = []
        #: What the sockets that ended had said last.
        self.ended = []
        self._socks = [_open(client, client_id) for client_id in client_ids]
        for sock in self._socks:
            self._selector.register(sock, selectors.EVENT_READ)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stopping = True
        self._thread.join(5)
        self._selector.close()
        for sock in self._socks:
            sock.close()

    def _run(self):
        while not self._stopping:
            for key, _ in self._selector.select(0.2):
                self._answer(key.fileobj)

    def _answer(self, sock):
        data = b""
        with contextlib.suppress(ConnectionError):
            data = sock.recv(4096)
        count = data.count(PING)
        self.pings += [time.monotonic()] * count
        if data == PING * count and count:
            sock.sendall(PONG * count)
        else:
            self.ended.append(data)
            self._selector.unregister(sock)


def _open(client, client_id):
    url = client.prev_connect_server(client_id)
    return websocket.create_connection(url, timeout=DEADLINE).sock
