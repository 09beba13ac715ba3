"""Handshakes and compressed messages by hand, as no library would send them."""

from __future__ import annotations

import socket
import time
import zlib


KEY = "MDEyMzQ1Njc4OWFiY2RlZg=="

#: The head of a good handshake, by header.
HEADERS = {
    "Host": "im.example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def handshake(query="", method="GET", version="HTTP/1.1", line=None, **changes):
    """Returns the bytes of a handshake; headers that are None are left out."""
    named = {name.replace("_", "-"): value for name, value in changes.items()}
    headers = {**HEADERS, **named}
    head = [line or f"{method} /ws{query} {version}"]
    head += [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([*head, "", ""]).encode()


def dial(address, timeout=10):
    """Opens a TCP connection to `host:port`."""
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), timeout)


def read_head(link):
    """Returns status and headers of an answer, names in lower case; 0 if none came."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = link.recv(4096)
        if not piece:
            break
        data += piece
    lines = data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    if len(lines[0].split()) < 2:
        return 0, {}
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    return int(lines[0].split()[1]), headers


def ask(address, request):
    """Sends bytes; returns status and headers of the answer, and how long it took."""
    begin = time.monotonic()
    with dial(address) as link:
        link.sendall(request)
        status, headers = read_head(link)
    return status, headers, time.monotonic() - begin


def deflated(content):
    """Returns bytes as the frames of a compressed message hold them."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (deflate.compress(content) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]
