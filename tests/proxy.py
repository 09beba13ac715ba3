"""A TCP proxy that can hold back what one side says."""

from __future__ import annotations

import contextlib
import socket
import threading


class Proxy:
    """Forwards connections to a port of this machine.

    Answers that begin with `eaten` are not forwarded; None lets all pass.
    """

    def __init__(self, port):
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = []
        self.port = self._listener.getsockname()[1]
        self.eaten = None
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._sockets += [near, far]
                for source, sink, answers in [(near, far, False), (far, near, True)]:
                    threading.Thread(
                        target=self._forward, args=(source, sink, answers), daemon=True
                    ).start()

    def _forward(self, source, sink, answers):
        with contextlib.suppress(OSError):
            for data in iter(lambda: source.recv(65536), b""):
                eaten = answers and self.eaten is not None
                if not (eaten and data.startswith(self.eaten)):
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
