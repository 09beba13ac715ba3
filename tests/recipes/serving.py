"""A relay, a listening client, and the process of a recipe beside it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
from urllib.parse import urlencode

import websocket

from tests.running import DEADLINE, Server, clean_environ, free_port

from .pages import ROOT, write_files


class Recipe:
    """The files of a page in a folder, and processes that run them."""

    def __init__(self, page, folder, system):
        write_files(page, folder)
        self.folder = str(folder)
        self.system = system
        self.environ = clean_environ(
            FREEIM_REDIS=redis_url(system),
            FREEIM_SERVERS=system.nodes[0].server_name,
            PYTHONPATH=os.pathsep.join([self.folder, str(ROOT)]),
            PYTHONUNBUFFERED="1",
            # A recipe's other packages are not ours to keep free of warnings.
            PYTHONWARNINGS="ignore",
            SECRET_KEY="for the test",
        )

    def serve(self, command, ready, **variables):
        """Starts a process of the recipe and waits for it; returns it."""
        environ = {**self.environ, **variables}
        # Processes start in our own folder, which the recipe's files are not in.
        change = (
            "import os, sys; os.chdir(sys.argv[1]); os.execv(sys.argv[2], sys.argv[2:])"
        )
        return Server(
            "recipe",
            [sys.executable, "-c", change, self.folder, sys.executable, *command],
            ready=ready,
            environ=environ,
        ).serve()

    def run(self, command, **variables):
        """Runs a process of the recipe to its end; returns what it prints."""
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env={**self.environ, **variables},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=60,
        ).stdout

    @contextlib.contextmanager
    def web(self, command, **variables):
        """Serves the recipe's application; gives a function that posts to it."""
        port = variables["PORT"] = str(free_port())
        variables["GUNICORN_CMD_ARGS"] = f"--bind 127.0.0.1:{port}"
        jar = {}

        def post(path, **form):
            headers = {"Content-Type": "application/x-www-form-urlencoded", **jar}
            link = http.client.HTTPConnection(f"127.0.0.1:{port}", timeout=DEADLINE)
            with contextlib.closing(link):
                link.request("POST", path, urlencode(form), headers)
                answer = link.getresponse()
                body = answer.read().decode()
                cookie = answer.headers.get("Set-Cookie")
                if cookie:
                    jar["Cookie"] = cookie.partition(";")[0]
                is_json = "json" in answer.headers.get("Content-Type", "")
                return answer.status, json.loads(body) if is_json else body

        def answers():
            with contextlib.suppress(OSError):
                return post("/nothing")[0] > 0

        server = self.serve(command, answers, **variables)
        try:
            yield post
        finally:
            server.stop()

    def connect(self, url):
        """Opens the URL that a recipe gives, at the address where the node is."""
        node = self.system.nodes[0]
        address = url.replace(node.server_name, node.address, 1)
        sock = websocket.create_connection(address, timeout=DEADLINE)
        self.system.sockets.append(sock)
        return sock


def redis_url(system):
    return system.client.options.redis


def gunicorn(application):
    """Returns the command of a gunicorn with threads; `web` says where it listens."""
    return [
        *("-m", "gunicorn", "-c", str(ROOT / "demo/gunicorn_conf.py")),
        *("-k", "gthread", "--threads", "4", "--graceful-timeout", "1", application),
    ]
