"""The tutorial's files and commands, run as the page says, at ports that are free."""

from __future__ import annotations

import http.client
import json
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import closing, suppress
from urllib.parse import urlencode

from demo.redis_server import (
    bundled_redis_server,
    free_port,
    redis_answers,
    redis_command,
)
from tests.running import DEADLINE, Server, clean_environ

from .pages import ROOT, blocks_of, write_files


PAGE = "docs/tutorial.md"

#: Whose programs are modules of this Python.
MODULES = ("freeim", "flask")


class Tutorial:
    """What a reader of the page has in the end: files, and three servers."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.ports = {one: str(free_port()) for one in ("6379", "6001", "5000")}
        self.redis = f"redis://127.0.0.1:{self.ports['6379']}/0"
        self.relay = f"127.0.0.1:{self.ports['6001']}"
        self.web = f"127.0.0.1:{self.ports['5000']}"
        self.commands = [
            self.here(line)
            for block in blocks_of(PAGE, "sh")
            for line in block.code.splitlines()
        ]
        write_files(PAGE, folder, self.here)
        self.copy_files()
        self.servers = []

    def here(self, text):
        """Returns a text of the page with the ports of this run."""
        return re.sub(
            rf"\b({'|'.join(self.ports)})\b", lambda one: self.ports[one[1]], text
        )

    def command(self, begin):
        """Returns the one command of the page that begins so, for this machine."""
        (line,) = (one for one in self.commands if one.startswith(begin))
        program, *arguments = shlex.split(line)
        assert program in MODULES
        return [sys.executable, "-m", program, *arguments]

    def copy_files(self):
        """Does what the page's `mkdir` and `cp` do, from these sources."""
        (copy,) = (one for one in self.commands if one.startswith("cp "))
        _, source, target = shlex.split(copy.replace("~/freeim", str(ROOT)))
        shutil.copy(source, f"{self.folder}/{target}")

    def __enter__(self):
        program = shutil.which("redis-server") or bundled_redis_server()
        redis = redis_command(program, int(self.ports["6379"]), self.folder)
        (line,) = (one for one in self.commands if one.startswith("redis-server"))
        assert shlex.split(line)[1:] == ["--port", self.ports["6379"]]
        try:
            self.serve("redis", redis, lambda: redis_answers(self.redis))
            self.serve("relay", self.command("freeim relay"), self.relay_is_ready)
            self.serve("flask", self.command("flask "), self.page_is_there)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in reversed(self.servers):
            server.terminate()
            server.join(DEADLINE)

    def serve(self, name, command, ready):
        # A server starts in our own folder, which the page's files are not in.
        change = (
            "import os, sys; os.chdir(sys.argv[1]); os.execv(sys.argv[2], sys.argv[2:])"
        )
        server = Server(
            name,
            [sys.executable, "-c", change, self.folder, *command],
            ready,
            clean_environ(PYTHONPATH=str(ROOT), PYTHONUNBUFFERED="1"),
        )
        server.command = command
        self.servers.append(server)
        return server.serve()

    def relay_is_ready(self):
        with suppress(OSError):
            return Person(self.relay).ask("GET", "/readyz")[0] == 200

    def page_is_there(self):
        with suppress(OSError):
            return Person(self.web).ask("GET", "/")[0] == 200

    def run(self, begin):
        """Runs a command of the page to its end; returns its exit status and output."""
        done = subprocess.run(
            self.command(begin),
            cwd=self.folder,
            env=clean_environ(PYTHONPATH=str(ROOT)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout


class Person:
    """Somebody with a cookie at one address."""

    def __init__(self, address, name=None):
        self.address = address
        self.cookie = {}
        if name:
            status, _ = self.ask("POST", "/login", name=name)
            assert status == 302

    def ask(self, method, path, **form):
        """Returns status and answer of a request, parsed if it is JSON."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", **self.cookie}
        with closing(
            http.client.HTTPConnection(self.address, timeout=DEADLINE)
        ) as link:
            link.request(method, path, urlencode(form) if form else None, headers)
            answer = link.getresponse()
            body = answer.read().decode()
            cookie = answer.headers.get("Set-Cookie")
            if cookie:
                self.cookie = {"Cookie": cookie.partition(";")[0]}
            is_json = "json" in answer.headers.get("Content-Type", "")
            return answer.status, json.loads(body) if is_json else body
