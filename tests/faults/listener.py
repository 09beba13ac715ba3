"""A client's page: reads its socket in a thread, and answers pings with it."""

from __future__ import annotations

import contextlib
import socket
import threading

import websocket


class Listener:
    """What came through a WebSocket, until it ended."""

    def __init__(self, sock):
        sock.settimeout(None)
        self.sock = sock
        self.messages = []
        #: The code of the close frame; None without one.
        self.code = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def open(self):
        return self._thread.is_alive()

    def close(self):
        """Ends the connection, as a killed browser does; may be called again."""
        if self.sock.sock is None:
            return
        # Not its own methods: they do not wake the thread.
        with contextlib.suppress(OSError):
            self.sock.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        assert not self._thread.is_alive()
        self.sock.shutdown()

    def _read(self):
        try:
            while True:
                # This answers pings, and close frames, too.
                opcode, data = self.sock.recv_data()
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    self.code = int.from_bytes(data[:2], "big")
                    return
                self.messages.append(data.decode())
        except (websocket.WebSocketException, OSError):
            return
