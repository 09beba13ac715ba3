"""A relay that has more to deliver than it can, and what else it has to do."""

from __future__ import annotations

import contextlib
import time

import pytest

from ..running import DEADLINE, PLAIN_WAYS, System, wait_until
from .flood import Flood
from .raw import RawSocket
from .readers import Readers


pytestmark = pytest.mark.faults

#: Handshakes and looks at `/healthz`, and the milliseconds that 99 of a hundred of them
#: may take.
TRIES, WITHIN = 200, 250

PING_INTERVAL = 1.0


@pytest.mark.parametrize("way", PLAIN_WAYS)
def test_a_flood_of_messages_starves_neither_handshakes_nor_pings(redis_url, way):
    with contextlib.ExitStack() as stack:
        times = {"ping_interval": PING_INTERVAL, "idle_timeout": 10 * PING_INTERVAL}
        system = stack.enter_context(System(redis_url, way, **times))
        (node,) = system.nodes
        readers = Readers(system, range(1, 201), counting=True)
        stack.enter_context(readers)
        flood = stack.enter_context(Flood(system, readers.clients))
        readers.report()
        begin = time.monotonic()
        handshakes, looks = [], []
        for client in range(1001, 1001 + TRIES):
            handshakes.append(_handshake(system, client))
            looks.append(_look(node))
        seconds = time.monotonic() - begin
        report = readers.report()
        flooded = flood.stop()
        silences = [
            longest
            for times in report.pings.values()
            for longest in map(float.__sub__, times[1:], times)
        ]
        print(
            f"{way}: {report.frames / seconds:.0f} frames/s; handshake "
            f"{_figures(handshakes)}; /healthz {_figures(looks)}; at most "
            f"{max(silences):.2f} s between two pings; {flooded}"
        )
        # The flood comes from a process that has to share its core, too.
        assert flooded["empty"] <= flooded["looks"] / 5
        assert report.open == len(readers.clients)
        assert _p99(handshakes) <= WITHIN
        assert _p99(looks) <= WITHIN
        assert min(map(len, report.pings.values())) >= seconds / PING_INTERVAL - 2
        assert max(silences) <= 2 * PING_INTERVAL
        assert node.metric("freeim_subscription_gaps_total") == 0
        wait_until(lambda: node.get("/readyz")[0] == 200, "ready")


def _handshake(system, client):
    """Returns the milliseconds until a new client has its 101."""
    url = system.client.prev_connect_server(client)
    begin = time.monotonic()
    sock = RawSocket(url, DEADLINE)
    taken = time.monotonic() - begin
    sock.end()
    return taken * 1000


def _look(node):
    """Returns the milliseconds until the node says that it is alive."""
    begin = time.monotonic()
    assert node.get("/healthz")[0] == 200
    return (time.monotonic() - begin) * 1000


def _p99(times):
    return sorted(times)[int(len(times) * 0.99) - 1]


def _figures(times):
    p50 = sorted(times)[len(times) // 2]
    return f"p50 {p50:.0f}, p99 {_p99(times):.0f}, longest {max(times):.0f} ms"
