"""Runs the command line as an operator does: a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

from ..running import Server, clean_environ


FREEIM = [sys.executable, "-m", "freeim"]


def environ_of(system):
    """Returns the variables that lead to a system."""
    options = system.client.options
    return clean_environ(
        FREEIM_REDIS=options.redis,
        FREEIM_SERVERS=",".join(options.servers),
        COLUMNS="200",
    )


class Terminal:
    """Runs commands against one system."""

    def __init__(self, system):
        self.environ = environ_of(system)

    def run(self, *arguments, status=0, text=None, **variables):
        """Runs a command; returns what it printed, or said if it failed."""
        done = subprocess.run(
            [*FREEIM, *map(str, arguments)],
            env={**self.environ, **variables},
            input=text,
            capture_output=True,
            text=True,
            timeout=30,
        )
        said = done.stdout + done.stderr
        assert done.returncode == status, said
        assert "Traceback" not in said, said
        return done.stdout or done.stderr

    def json(self, *arguments, **more):
        """Runs a command with --json; returns what it printed as a value."""
        return json.loads(self.run(*arguments, "--json", **more))

    def follow(self, *arguments):
        """Starts a command that follows something; returns it."""
        command = [*FREEIM, *map(str, arguments)]
        environ = {**self.environ, "PYTHONUNBUFFERED": "1"}
        server = Server("command", command, lambda: True, environ)
        server.start()
        return server
