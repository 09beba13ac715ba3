"""T18: reloads and upgrades of gunicorn while clients come back and messages flow."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import sysconfig
import threading
import time

import pytest

from ..running import APP, System, wait_until
from .crowd import Crowd


pytestmark = pytest.mark.faults

CLIENTS = 300

#: How gunicorn must be started for an upgrade: `python -m gunicorn` would run its own
#: file as a script, and find gunicorn.http for http.
UPGRADABLE = [
    *(sys.executable, os.path.join(sysconfig.get_path("scripts"), "gunicorn")),
    *("--no-control-socket", "-k", "gevent", APP),
]

#: Seconds for which clients may be refused once something happens, or kept waiting.
OUTAGE = 2.0

#: Seconds after the last reload until presence is exact.
EXACT_WITHIN = 5.0

RELOADS = 5

#: Seconds for which the counts of a worker that was killed may stay, and somewhat more.
LEASE = 2.0


def children(pid):
    """Returns a process' children; none if it is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        with open(f"/proc/{pid}/task/{pid}/children") as table:
            return {int(child) for child in table.read().split()}
    return set()


def workers(master):
    """Returns a master's workers; another master may be among its children."""
    return {pid for pid in children(master) if not children(pid)}


class Load:
    """Direct messages to random clients, all the time."""

    def __init__(self, system, clients):
        self._system, self._clients = system, clients
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _run(self):
        while not self._ended.wait(0.005):
            client = self._clients[self.sent % len(self._clients)]
            self._system.client.send_message(0, client, self.sent)
            self.sent += 1


@contextlib.contextmanager
def crowded(redis_url, workers, **options):
    """A node under load, and its crowd."""
    flags = ["-w", str(workers)]
    way = "gunicorn -k gevent"
    with System(redis_url, way, flags=flags, **options) as system:
        system.nodes[0].workers = workers
        wait_until(lambda: system.subscribers(system.nodes[0]) == workers, "all listen")
        crowd = Crowd(system, CLIENTS, come_back=True)
        try:
            crowd.serve()
            with Load(system, crowd.clients):
                yield system, crowd
        finally:
            crowd.stop()
        wait_until(lambda: not system.redis.exists(online(system)), "all are offline")


def online(system):
    return system.client.wire.online_key


def wait_for_new_workers(system, master, old):
    """Waits until a reload is through: the old workers gone, the new ones listen.

    Returns:
        The seconds until then.
    """
    begin = time.monotonic()
    count = system.nodes[0].workers
    wait_until(lambda: not old & children(master), "old workers gone", 60)
    wait_until(lambda: len(workers(master)) == count, "new workers", 60)
    wait_until(lambda: system.subscribers(system.nodes[0]) == count, "all listen", 60)
    return time.monotonic() - begin


def wait_until_back(crowd):
    wait_until(lambda: len(crowd.connected()) == CLIENTS, "all are back")


def wait_until_exact(system, crowd, since, within=EXACT_WITHIN):
    """Waits until presence is what the crowd is: one socket each, no more."""
    wait_until_back(crowd)
    exact = {str(client).encode(): b"1" for client in crowd.clients}
    left = since + within - time.monotonic()
    wait_until(
        lambda: system.redis.hgetall(online(system)) == exact, "presence is exact", left
    )
    return time.monotonic() - since


def check_service(what, crowd, disturbances, boot=0.0):
    """Checks that nobody is refused for long after a disturbance, nor kept waiting.

    Where gunicorn ends the old workers while the new ones boot, clients wait for these:
    a second, if the machine has nothing else to do.
    """
    away = sorted(crowd.absences())
    refused = [
        one.at - max(at for at in disturbances if at <= one.at)
        for one in crowd.happened("refused", "failed")
    ]
    waited, last = max(crowd.waits(), key=lambda wait: wait[0])
    print(
        f"{what}: {len(away)} absences, {away[len(away) // 2]:.2f} s (median) to "
        f"{away[-1]:.2f} s with the client's own pauses; {len(refused)} refusals, the "
        f"last after {max(refused, default=0):.2f} s; waited {waited:.2f} s at the most"
    )
    assert max(refused, default=0) < OUTAGE
    limit = max(OUTAGE, boot + 0.5)
    assert waited < limit, f"{last} after {waited:.2f} s; disturbed at {disturbances}"


def check_log(node):
    """Checks that no traceback goes through our code.

    gunicorn logs one of its own for each connection that it has accepted at the moment
    in which a worker closes its listener; under this load there are some.
    """
    ours = [line for line in node.lines if "File" in line and "/freeim/" in line]
    assert not ours, node.log


@pytest.mark.parametrize("count", [1, 2])
def test_five_reloads_leave_presence_exact(redis_url, count):
    with crowded(redis_url, count, drain_window=1.0) as (system, crowd):
        master = system.nodes[0].pid
        begun, boots = [], []
        for _ in range(RELOADS):
            old = workers(master)
            begun.append(time.monotonic())
            os.kill(master, signal.SIGHUP)
            boots.append(wait_for_new_workers(system, master, old))
            wait_until_back(crowd)
        seconds = wait_until_exact(system, crowd, begun[-1])
        print(f"-w {count}: exact {seconds:.2f} s after the last reload")
        codes = {one.code for one in crowd.happened("closed")}
        assert codes == {"1001"}
        print(f"longest reload {max(boots):.2f} s")
        check_service(f"-w {count}, HUP x{RELOADS}", crowd, begun, max(boots))
        check_log(system.nodes[0])


@pytest.mark.parametrize("count", [1, 2])
def test_an_upgrade_leaves_presence_exact(redis_url, count):
    options = {"drain_window": 1.0, "command": UPGRADABLE}
    with crowded(redis_url, count, **options) as (system, crowd):
        node = system.nodes[0]
        old_master, old = node.pid, workers(node.pid)
        os.kill(old_master, signal.SIGUSR2)
        wait_until(lambda: system.subscribers(node) == 2 * count, "both generations")
        (new_master,) = children(old_master) - old
        try:
            begin = time.monotonic()
            os.kill(old_master, signal.SIGTERM)
            wait_until(lambda: node.status is not None, "the old master is gone")
            assert node.status == 0
            seconds = wait_until_exact(system, crowd, begin)
            print(f"-w {count}: exact {seconds:.2f} s after the upgrade")
            check_service(f"-w {count}, USR2", crowd, [begin])
            check_log(node)
        finally:
            os.kill(new_master, signal.SIGTERM)


def at_its_birth(crowd, since):
    return True


def when_it_serves(crowd, since):
    return crowd.happened("open", since=since)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("moment", [at_its_birth, when_it_serves])
def test_a_new_worker_that_dies_in_a_reload_costs_2_seconds(redis_url, count, moment):
    """gunicorn replaces it when the reload is through, so the drain is a short one."""
    options = {"drain_window": 0.2, "lease_ttl": LEASE}
    with crowded(redis_url, count, **options) as (system, crowd):
        node = system.nodes[0]
        master, old = node.pid, workers(node.pid)
        begin = time.monotonic()
        os.kill(master, signal.SIGHUP)
        wait_until(lambda: workers(master) - old, "a new worker")
        victim = min(workers(master) - old)
        # Clients come back to new workers only: the old ones drain.
        wait_until(lambda: moment(crowd, begin), "its moment has come")
        through = not old & children(master)
        os.kill(victim, signal.SIGKILL)
        killed = time.monotonic()
        boot = wait_for_new_workers(system, master, old | {victim})
        wait_until_back(crowd)
        print(f"the reload was {'' if through else 'not '}through")
        first = crowd.happened("open", since=killed)[0].at - killed
        print(f"-w {count}: served {first:.2f} s after the kill, through {boot:.2f} s")
        what = f"-w {count}, killed {moment.__name__}"
        check_service(what, crowd, [begin, killed], boot)
        # What the victim counted is reaped when its lease has run out.
        seconds = wait_until_exact(system, crowd, killed, LEASE + EXACT_WITHIN)
        print(f"-w {count}: exact {seconds:.2f} s after the kill")
