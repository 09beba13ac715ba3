"""T2: a node is told to stop. Every socket gets 1001, Redis keeps nothing of it."""

from __future__ import annotations

import os
import signal
import time

import pytest

from freeim.options import RelayOptions

from ..running import WAYS, System, redis_server, wait_until
from .crowd import Crowd
from .presence import left_behind
from .raw import RawSocket


pytestmark = pytest.mark.faults

#: Seconds from the signal to the end, `docker stop` giving ten; and when in a hurry.
EXIT_WITHIN, HURRIED_WITHIN = 10.0, 2.0

DEFAULT_WINDOW = RelayOptions(servers="x").drain_window

#: Sockets that do not answer a close frame, as on a train that is in a tunnel.
SILENT = range(900_001, 900_006)


#: Renewals, and looks for dead nodes, in the time of a drain.
LEASE_SCRIPTS = 4


def scripts_run(redis):
    """Returns how many scripts Redis has run.

    Whatever a relay writes of its presence is one: it had no more round trips for it.
    """
    return redis.info("commandstats")["cmdstat_eval"]["calls"]


def gather(system, count):
    """Lets a crowd in and into a channel; returns it."""
    crowd = Crowd(system, count).serve()
    for client in crowd.clients:
        system.client.join_chan(client, "room")
    assert set(system.redis.hvals(system.client.wire.online_key)) == {b"1"}
    assert system.client.get_chan_online("room") == count
    return crowd


def silent_sockets(system):
    return [RawSocket(system.client.prev_connect_server(one), 20) for one in SILENT]


def check_end(system, crowd, silent=()):
    """Checks that all got 1001 and nothing is left; returns when each was closed."""
    closed = crowd.wait_until_closed()
    assert [one.code for one in closed] == ["1001"] * len(crowd.clients)
    assert [sock.close_code() for sock in silent] == [1001] * len(silent)
    assert left_behind(system) == []
    log = system.nodes[0].log
    assert "Traceback" not in log and "ERROR" not in log, log
    return sorted(one.at for one in closed)


def test_1000_sockets_get_1001_over_the_window_in_few_round_trips(redis_url):
    options = {"drain_window": DEFAULT_WINDOW}
    with System(redis_url, "gunicorn -k gevent", **options) as system:
        (node,) = system.nodes
        crowd = gather(system, 1000)
        begin, before = time.monotonic(), scripts_run(system.redis)
        assert node.stop(EXIT_WITHIN) == 0
        seconds = time.monotonic() - begin
        scripts = scripts_run(system.redis) - before
        times = check_end(system, crowd)
        print(f"exit {seconds:.2f} s, {scripts} scripts")
        # Twenty for the sockets; the lease has its own meanwhile.
        assert 0 < scripts <= 20 + LEASE_SCRIPTS
        check_spread(times, begin, DEFAULT_WINDOW)
        crowd.join(10)


def check_spread(times, begin, window):
    """Checks that the closes are spread evenly: each tenth has a tenth, about."""
    tenths = [0] * 11
    for at in times:
        tenths[min(10, int((at - begin) / window * 10))] += 1
    print(f"tenths of the window: {tenths}")
    assert max(tenths) < 0.2 * len(times)
    assert times[-1] - begin < window + 2


@pytest.mark.parametrize("way", [way for way in WAYS if way != "gunicorn -k gevent"])
def test_each_way_to_run_drains(redis_url, way):
    with System(redis_url, way, drain_window=1.0) as system:
        (node,) = system.nodes
        crowd = gather(system, 200)
        silent = silent_sockets(system)
        begin = time.monotonic()
        assert node.stop(EXIT_WITHIN) == 0
        print(f"{way}: exit {time.monotonic() - begin:.2f} s")
        times = check_end(system, crowd, silent)
        # Four workers have a window each, but all the same one.
        check_spread(times, begin, 1.0)
        crowd.join(10)


#: What leaves no time, and where. gunicorn tells its workers to quit; they find out
#: themselves when it was killed.
AT_ONCE = [
    ("gunicorn -k gevent -w 4", signal.SIGQUIT),
    ("gunicorn -k gevent -w 4", signal.SIGINT),
    ("gunicorn -k gevent -w 4", signal.SIGKILL),
    ("gunicorn -k GeventWebSocketWorker", signal.SIGQUIT),
    ("gunicorn -k GeventWebSocketWorker", signal.SIGKILL),
    ("freeim relay", signal.SIGINT),
    ("freeim relay", signal.SIGQUIT),
]


@pytest.mark.parametrize(("way", "number"), AT_ONCE)
def test_presence_is_gone_in_two_seconds_when_there_is_no_time(redis_url, way, number):
    with System(redis_url, way, drain_window=60) as system:
        (node,) = system.nodes
        crowd = gather(system, 300)
        silent = silent_sockets(system)
        begin = time.monotonic()
        os.kill(node.pid, number)
        check_hurry(system, crowd, silent, begin)


@pytest.mark.parametrize("way", ["gunicorn -k gevent -w 4", "freeim relay"])
def test_a_drain_under_way_can_be_hurried(redis_url, way):
    with System(redis_url, way, drain_window=60) as system:
        (node,) = system.nodes
        crowd = gather(system, 300)
        silent = silent_sockets(system)
        node.terminate()
        wait_until(lambda: crowd.happened("closed"), "the drain has begun")
        begin = time.monotonic()
        # As Ctrl-C does in a terminal: the whole group hears it, and twice.
        for _ in range(2):
            os.killpg(node.pid, signal.SIGINT)
        check_hurry(system, crowd, silent, begin)


def check_hurry(system, crowd, silent, begin):
    """Checks that all is over in two seconds, processes included."""
    (node,) = system.nodes
    wait_until(lambda: not left_behind(system), "presence is gone", HURRIED_WITHIN)
    clean = time.monotonic() - begin
    # Its pipe ends with the last of its processes.
    node.join(10)
    print(f"{node.name}: clean after {clean:.2f} s, {time.monotonic() - begin:.2f} s")
    assert clean < HURRIED_WITHIN
    check_end(system, crowd, silent)
    crowd.join(10)


def kill_redis(server):
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: server.status is not None, "Redis is dead")


def stop_redis(server):
    os.kill(server.pid, signal.SIGSTOP)


@pytest.mark.parametrize(
    ("way", "harm"),
    [("gunicorn -k gevent -w 4", stop_redis), ("freeim relay", kill_redis)],
)
def test_a_drain_ends_in_time_without_redis(tmp_path, way, harm):
    server = redis_server(tmp_path).serve()
    with System(server.url, way, drain_window=DEFAULT_WINDOW) as system:
        (node,) = system.nodes
        crowd = Crowd(system, 100).serve()
        silent = silent_sockets(system)
        harm(server)
        begin = time.monotonic()
        assert node.stop(EXIT_WITHIN) == 0
        print(f"{way}, {harm.__name__}: exit {time.monotonic() - begin:.2f} s")
        closed = crowd.wait_until_closed()
        assert {one.code for one in closed} == {"1001"}
        assert {sock.close_code() for sock in silent} == {1001}
        assert "Traceback" not in node.log, node.log
        crowd.join(10)
    server.kill()
