"""A WebSocket client of the least code: hundreds of them must cost the test little."""

from __future__ import annotations

import contextlib
import socket
from urllib.parse import urlsplit


FIN = 0x80
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA

#: Bytes of a longer size, by what stands in the place of a short one.
LONG_SIZES = {126: 2, 127: 8}


class Refused(Exception):
    """The handshake was answered with another status than 101."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class RawSocket:
    """A socket after its handshake; frames are read one by one.

    Raises:
        Refused: if the server does not want it.
        OSError: if there is no server, or it goes away meanwhile.
    """

    def __init__(self, url, timeout, connect=socket.create_connection):
        parts = urlsplit(url)
        self._data = bytearray()
        self._sock = connect((parts.hostname, parts.port), timeout)
        try:
            # The bytes of a frame and its head often come in two calls.
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sock.sendall(
                f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
                "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            self._read_head()
        except BaseException:
            self._sock.close()
            raise

    def sendall(self, data):
        """Sends bytes, whatever they are."""
        self._sock.sendall(data)

    def fileno(self):
        return self._sock.fileno()

    def getsockname(self):
        return self._sock.getsockname()

    def detach(self):
        """Gives the socket away, with what came behind the handshake."""
        return self._sock, bytes(self._data)

    def recv(self):
        """Returns opcode and payload of the next frame; answers pings itself.

        Raises:
            ConnectionError: if the server has closed.
        """
        while True:
            opcode, size = self._take(2)
            if size in LONG_SIZES:
                size = int.from_bytes(self._take(LONG_SIZES[size]), "big")
            payload = self._take(size)
            if opcode & 0xF != PING:
                return opcode & 0xF, payload
            self._send(PONG, payload)

    def close_code(self):
        """Reads on until the server's close frame, answers it and closes."""
        while True:
            opcode, payload = self.recv()
            if opcode == CLOSE:
                self.end(payload)
                return int.from_bytes(payload[:2], "big")

    def send_close(self, code=1000):
        """Begins the closing handshake."""
        self._send(CLOSE, code.to_bytes(2, "big"))

    def end(self, answer=None):
        """Closes the socket, after an answer to the server's close frame."""
        with contextlib.suppress(OSError):
            if answer is not None:
                self._send(CLOSE, answer)
        self._sock.close()

    def _send(self, opcode, payload):
        # Masked with zeros, which leaves the payload as it is.
        head = bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0])
        self._sock.sendall(head + payload)

    def _read_head(self):
        while b"\r\n\r\n" not in self._data:
            self._fill()
        head, _, rest = bytes(self._data).partition(b"\r\n\r\n")
        status = int(head.split(None, 2)[1])
        if status != 101:
            raise Refused(status)
        self._data = bytearray(rest)

    def _take(self, count):
        while len(self._data) < count:
            self._fill()
        taken = bytes(self._data[:count])
        del self._data[:count]
        return taken

    def _fill(self):
        data = self._sock.recv(65536)
        if not data:
            raise ConnectionError("closed without a close frame")
        self._data += data
