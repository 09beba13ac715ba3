"""Clients that died without a word, and those that live without one."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest
import websocket

from freeim.relay.connection import CLOSE_TIMEOUT

from ..proxy import Proxy
from ..running import PLAIN_WAYS, System, close_code, wait_until
from .idlers import Idlers
from .listener import Listener


pytestmark = pytest.mark.faults

#: A page in a process of its own, which can be stopped.
PAGE = """
import contextlib, sys, websocket
sock = websocket.create_connection(sys.argv[1])
print("open", flush=True)
while True:
    frame = sock.recv_frame()
    if frame.opcode == websocket.ABNF.OPCODE_PING:
        with contextlib.suppress(OSError):
            sock.pong(frame.data)
    if frame.opcode == websocket.ABNF.OPCODE_CLOSE:
        print(int.from_bytes(frame.data[:2], "big"), flush=True)
        break
"""

STOPPED, CUT, DUMB = 1, 2, 3

#: Seconds for the noise of the machine.
MARGIN = 1.0

#: The default of `ping_interval`.
INTERVAL = 25


def test_dead_sockets_are_closed_in_time_and_live_ones_never(redis_url):
    way = PLAIN_WAYS[0]
    ping_interval, idle_timeout = 1.0, 2.0
    with contextlib.ExitStack() as stack:
        system = System(
            redis_url, way, ping_interval=ping_interval, idle_timeout=idle_timeout
        )
        stack.enter_context(system)
        idlers = stack.enter_context(Idlers(system.client, range(101, 151)))
        page = stack.enter_context(_page(system))
        proxy = _connect_by_proxy(stack, system)
        dumb = system.connect(DUMB)
        opened = time.monotonic()
        wait_until(lambda: len(system.client.get_client_list_by_online()) == 53, "all")
        # Long enough for each to have been heard since it opened.
        time.sleep(idle_timeout)
        page.send_signal(signal.SIGSTOP)
        proxy.hole()
        begin = time.monotonic()
        assert system.client.has_online([STOPPED, CUT]) == [True, True]
        assert close_code(dumb) == 4509
        closed = time.monotonic() - opened
        dumb.shutdown()
        gone = _when_gone(system, begin)
        page.send_signal(signal.SIGCONT)
        assert page.stdout.readline() == b"4509\n"
        # Live ones outlast the dead by more than their deadline.
        time.sleep(max(0, begin + 3 * idle_timeout - time.monotonic()))
        online = system.client.get_client_list_by_online()
        assert (idlers.ended, sorted(online)) == ([], list(range(101, 151)))
        figures = ", ".join(f"{who} {seconds:.2f} s" for who, seconds in gone.items())
        print(
            f"{way}: close frame after {closed:.2f} s (deadline {idle_timeout} s); "
            f"offline after the fault: {figures}; {len(idlers.pings)} pings answered"
        )
        assert closed <= idle_timeout + ping_interval / 50 + MARGIN
        # The dumb one closed as it was told to; the others know of nothing.
        assert max(gone.values()) <= idle_timeout + CLOSE_TIMEOUT + MARGIN
        assert system.nodes[0].metric('freeim_closed_total{code="4509"}') == 3


def test_pings_are_spread_and_cheap(redis_url):
    ping_interval, sockets, slots = 5.0, 500, 10
    with contextlib.ExitStack() as stack:
        system = System(
            redis_url, "freeim relay", ping_interval=ping_interval, idle_timeout=7
        )
        stack.enter_context(system)
        idlers = stack.enter_context(Idlers(system.client, range(1, sockets + 1)))
        relay = psutil.Process(system.nodes[0].pid)
        wait_until(lambda: len(idlers.pings) >= sockets, "the first pings")
        before, begin, cpu = len(idlers.pings), time.monotonic(), _cpu(relay)
        time.sleep(3 * ping_interval)  # The window that is observed.
        pings = idlers.pings[before:]
        window = time.monotonic() - begin
        used = (_cpu(relay) - cpu) / window
        per_slot = Counter(int((at - begin) / ping_interval * slots) for at in pings)
        mean = len(pings) / (window / ping_interval * slots)
        # All that the process does is counted for pings.
        share = used / len(pings) * window * 1000 / INTERVAL
        print(
            f"{len(pings)} pings in {window:.1f} s, {mean:.1f} a slot, at most "
            f"{max(per_slot.values())}; {used:.2%} of a core, or {share:.3%} for 1000 "
            f"sockets pinged every {INTERVAL} s"
        )
        assert idlers.ended == []
        assert len(pings) == pytest.approx(3 * sockets, rel=0.1)
        assert max(per_slot.values()) <= 2 * mean
        assert share <= 0.01


@contextlib.contextmanager
def _page(system):
    url = system.client.prev_connect_server(STOPPED)
    command = [sys.executable, "-c", PAGE, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as page:
        try:
            assert page.stdout.readline() == b"open\n"
            yield page
        finally:
            page.kill()


def _connect_by_proxy(stack, system):
    host, port = system.nodes[0].address.split(":")
    proxy = stack.enter_context(Proxy(int(port)))
    url = system.client.prev_connect_server(CUT)
    sock = websocket.create_connection(url.replace(port, str(proxy.port)), timeout=5)
    stack.enter_context(Listener(sock))
    return proxy


def _when_gone(system, begin):
    """Returns how many seconds after the fault each dead client was offline."""
    gone = {}

    def look():
        who = {STOPPED: "stopped", CUT: "cut", DUMB: "dumb"}
        for name, online in zip(who.values(), system.client.has_online(list(who))):
            if not online:
                gone.setdefault(name, time.monotonic() - begin)
        return len(gone) == len(who)

    wait_until(look, "all are offline")
    return gone


def _cpu(process):
    times = process.cpu_times()
    return times.user + times.system
