"""What stands between a page and a relay: an application, proxies, other programs."""

from __future__ import annotations

import json
import selectors
import socket
import socketserver
import ssl
import threading
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


#: Bytes that are forwarded at a time.
CHUNK = 65536

FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nServer: waf\r\nContent-Length: 0\r\n\r\n"


class _Served:
    """A server in a thread of its own, as a context manager."""

    def __enter__(self):
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self._thread.join()
        self.server_close()

    @property
    def port(self):
        return self.server_address[1]


class Application(_Served, ThreadingHTTPServer):
    """A team's application: `POST /connect` gives an address, other paths are pages."""

    daemon_threads = False

    def __init__(self, address, certificate=None, methods=("POST",)):
        """Takes what makes an address, and whose certificate it has for TLS."""
        self.address = address
        self.methods = methods
        self.seen = []
        super().__init__(("127.0.0.1", 0), _Page)
        self.scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def url(self, path="/connect"):
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"


class _Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        self.server.seen.append((self.command, body, self.headers.get("Cookie")))
        if self.path != "/connect":
            return self._answer(200, b"<html>welcome</html>", "text/html")
        if self.command not in self.server.methods:
            return self._answer(405, b"")
        answer = self.server.address()
        if isinstance(answer, int):
            return self._answer(answer, b"no")
        return self._answer(200, json.dumps(answer).encode(), "application/json")

    do_POST = do_GET

    def log_message(self, *_):
        """Says nothing."""

    def _answer(self, status, body, kind="text/plain"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.close_connection = True
        self.end_headers()
        self.wfile.write(body)


class Listener(_Served, socketserver.ThreadingTCPServer):
    """Another program at a port: gives one answer to whatever comes, and closes."""

    daemon_threads = False

    def __init__(self, answer=b"", certificate=None):
        self.answer = answer
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(self.context)
        super().__init__(("127.0.0.1", 0), _Answer)


class _Answer(socketserver.BaseRequestHandler):
    def handle(self):
        sock = self.request
        sock.settimeout(10)
        with suppress(OSError):
            if self.server.context:
                sock = self.server.context.wrap_socket(sock, server_side=True)
            sock.recv(CHUNK)
            sock.sendall(self.server.answer)


class HttpProxy(_Served, socketserver.ThreadingTCPServer):
    """A proxy that reads the request's head, and treats what follows as it is told.

    Args:
        port: where it leads to.
        head: what becomes of the head of a request.
        answer: what becomes of bytes of the relay; None ends the connection.
        idle: seconds without a byte after which it cuts.
    """

    daemon_threads = False

    def __init__(self, port, head=bytes, answer=bytes, idle=None):
        self.target = port
        self.head, self.answer, self.idle = head, answer, idle
        super().__init__(("127.0.0.1", 0), _Tunnel)


class _Tunnel(socketserver.BaseRequestHandler):
    def handle(self):
        near, server = self.request, self.server
        near.settimeout(10)
        head = b""
        while b"\r\n\r\n" not in head:
            part = near.recv(CHUNK)
            if not part:
                return
            head += part
        with closing(socket.create_connection(("127.0.0.1", server.target))) as far:
            far.sendall(server.head(head))
            self._pump(near, far)

    def _pump(self, near, far):
        with selectors.DefaultSelector() as selector, suppress(OSError):
            selector.register(near, selectors.EVENT_READ, (far, bytes))
            selector.register(far, selectors.EVENT_READ, (near, self.server.answer))
            while True:
                ready = selector.select(self.server.idle)
                if not ready:
                    return
                for key, _ in ready:
                    sink, change = key.data
                    data = key.fileobj.recv(CHUNK)
                    data = change(data) if data else None
                    if data is None:
                        return
                    sink.sendall(data)


def without(*names):
    """Returns what takes headers out of a request's head."""

    def change(head):
        lines = head.split(b"\r\n")
        return b"\r\n".join(
            line for line in lines if line.partition(b":")[0].lower() not in names
        )

    return change
