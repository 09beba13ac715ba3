"""The yardstick `limit`: a bare C loop, one send() for each frame, see `limit.c`."""

from __future__ import annotations

import subprocess
import time

from bench.deadline import SETTLE, BenchError
from bench.load import Load, Target
from bench.machine import on_core
from bench.rig import Rig
from bench.settings import Settings


def measure_limit(rig: Rig, settings: Settings) -> dict[str, float]:
    """Returns the figures of the bare loop: it knows no tokens, rooms or clients."""
    sockets = settings.sockets
    command = [
        rig.program("limit"),
        *(str(settings.port), str(sockets), str(settings.burst), str(settings.size)),
    ]
    with on_core(rig.server_core):
        server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )
    with server:
        try:
            assert server.stdin is not None and server.stdout is not None
            if server.stdout.readline() != "listening\n":
                raise BenchError(f"limit ended with status {server.wait()}")
            targets = [Target(settings.port, "/")] * sockets
            with Load(rig.program("load"), rig.folder, targets) as load:
                load.opened()
                time.sleep(SETTLE)
                server.stdin.write("\n")
                server.stdin.flush()
                expected = sockets * settings.burst
                arrived = load.wait(expected, settings.patience)
        finally:
            server.kill()
    rate = arrived.rate
    return {
        "burst": rate,
        # Not measured: what one message to all sockets takes at this rate.
        "lag_ms": 1000 * sockets / rate if rate else 0.0,
        "lost": expected - arrived.messages,
    }
