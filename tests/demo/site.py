"""The demo as its users meet it: a server, pages with a session, sockets."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import sys
import threading
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlencode

import websocket

from demo.part import Part
from demo.redis_server import free_port
from tests.running import DEADLINE, wait_until


JSON = {"Content-Type": "application/json"}
OURS = {"X-Requested-With": "freeim"}
FORM = {**OURS, "Content-Type": "application/x-www-form-urlencoded"}

numbers = itertools.count(1)


def new_name(name):
    """Returns a name that no other test uses."""
    return f"{name} {next(numbers)}"


class Site:
    """A running `python -m demo`."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        relays = f"{free_port()},{free_port()}"
        self.lines = []
        self.part = Part(
            "demo",
            [
                *(sys.executable, "-m", "demo", "--port", str(self.port)),
                *("--relay-ports", relays, "--data", str(folder)),
            ],
            ready=lambda: any(" is ready" in line for line in self.lines),
            show=lambda name, line: self.lines.append(line),
        )

    def start(self):
        self.part.start()
        wait_until(lambda: self.part.ready() or self.part.status is not None, "ready")
        assert self.part.status is None, self.lines

    def stop(self):
        self.part.terminate()
        self.part.join(DEADLINE)


def ask(port, method, path, body=None, headers=()):
    """Makes a request; returns the response, read, and its body."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=DEADLINE)) as link:
        link.request(method, path, body, dict(headers))
        response = link.getresponse()
        return response, response.read()


class Socket:
    """A WebSocket of a page's, and all that came through it."""

    def __init__(self, url):
        self.heard = []
        self.close_code = None
        self._socket = websocket.create_connection(url, timeout=DEADLINE)
        self._socket.settimeout(None)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def of(self, kind):
        """Returns what came of one type."""
        return [one for one in self.heard if one.get("type") == kind]

    def wait_for(self, kind, **fields):
        """Waits for something of a type, with these fields, and returns it."""

        def find():
            for one in self.of(kind):
                if fields.items() <= one.items():
                    return one

        return wait_until(find, f"{kind} {fields} in {self.heard}")

    def close(self):
        link = self._socket.sock
        # Closing alone would not wake the thread that reads.
        with contextlib.suppress(OSError):
            if link is not None:
                link.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE)
        self._socket.shutdown()

    def _read(self):
        while True:
            try:
                opcode, data = self._socket.recv_data()
            except (websocket.WebSocketException, OSError):
                return
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                self.close_code = int.from_bytes(data[:2], "big")
                return
            if opcode == websocket.ABNF.OPCODE_TEXT:
                self.heard.append(json.loads(data))


class Page:
    """Somebody who is signed in, with a cookie and sockets."""

    def __init__(self, site, name):
        self.site = site
        self.name = name
        self.cookie = ""
        self.sockets = []
        response, _ = self.ask("POST", "/api/sign-in", json.dumps({"name": name}), JSON)
        assert response.status == 200
        self.set_cookie = response.headers["Set-Cookie"]
        self.cookie = self.set_cookie.partition(";")[0]
        self.id = self.get("/api/me")[1]["me"]["id"]

    def ask(self, method, path, body=None, headers=()):
        headers = {**dict(headers), "Cookie": self.cookie}
        return ask(self.site.port, method, path, body, headers)

    def get(self, path, **query):
        response, body = self.ask(
            "GET", f"{path}?{urlencode(query)}" if query else path
        )
        return response.status, json.loads(body)

    def post(self, path, **fields):
        response, body = self.ask("POST", path, json.dumps(fields), JSON)
        return response.status, json.loads(body)

    def post_form(self, path, **fields):
        response, body = self.ask("POST", path, urlencode(fields), FORM)
        return response.status, json.loads(body)

    def say(self, to, text, key=None):
        """Sends a message to a page's user or to a room; returns the message."""
        place = {"room": to} if isinstance(to, str) else {"user": to.id}
        key = key or new_name("key")
        status, answer = self.post("/api/send", to=place, text=text, key=key)
        assert status == 200, answer
        return answer["message"]

    def upload(self, to, name, content, **query):
        query = {"to": to.id, "name": name, "size": len(content), **query}
        response, body = self.ask(
            "POST", f"/api/files?{urlencode(query)}", content, OURS
        )
        return response.status, json.loads(body)

    def open(self):
        """Opens a socket, and hears the rooms from then on, as the page does."""
        status, answer = self.post("/api/connect")
        assert status == 200, answer
        socket = Socket(answer["url"])
        self.sockets.append(socket)
        wait_until(self.hears_rooms, f"{self.name} is in the rooms")
        return socket

    def hears_rooms(self):
        self.get("/api/missed", after=0)
        members = self.get("/api/rooms/members", name="Lobby")[1]["members"]
        return any(one["id"] == self.id and one["online"] for one in members)

    def leave(self):
        for one in self.sockets:
            one.close()
