"""The helper while Redis is not there, says nothing, or is slow."""

from __future__ import annotations

import contextlib
import socket
import statistics
import threading
import time

import psutil
import pytest
import redis

from freeim import ImClient

from ..proxy import TO_CLIENT, Proxy
from ..running import DEADLINE, redis_answers, redis_server, wait_until
from .application import get, webapi
from .webapi import SERVERS


pytestmark = pytest.mark.faults

#: The defaults of `connect_timeout` and `timeout`, and what noise may add.
CONNECT, ANSWER, NOISE = 1.0, 2.0, 0.5

FAULTS = {
    "refused": Proxy.cut,
    "silent": Proxy.hole,
    "slow": lambda proxy: proxy.delay(5, TO_CLIENT),
}

DOCUMENTED = {"redis.exceptions.ConnectionError", "redis.exceptions.TimeoutError"}

CALLS = {
    "prev_connect_server": lambda client: client.prev_connect_server(1),
    "send_message": lambda client: client.send_message(0, [1, 2, 3], "x"),
    "send_chan_message": lambda client: client.send_chan_message(0, "room", "x"),
    "send_broadcast_message": lambda client: client.send_broadcast_message("x"),
    "has_online": lambda client: client.has_online([1, 2]),
    "get_client_list_by_online": ImClient.get_client_list_by_online,
    "force_offline": lambda client: client.force_offline(1),
    "join_chan": lambda client: client.join_chan(1, "room", "hall"),
    "leave_chan": lambda client: client.leave_chan(1, "room"),
    "remove_from_chan": lambda client: client.remove_from_chan("room", 1),
    "clear_chan_client": lambda client: client.clear_chan_client("room"),
    "get_chan_list": ImClient.get_chan_list,
    "get_chan_online": lambda client: client.get_chan_online("room"),
    "get_chan_client_list": lambda client: client.get_chan_client_list("room"),
    "get_chan_list_by_client_id": lambda client: client.get_chan_list_by_client_id(1),
}

#: Seconds in which an undisturbed route is measured.
WINDOW = 3.0

#: Callers of the helper: fewer than workers, so that one is always free.
CALLERS = 3


@pytest.fixture
def proxy(shared_redis):
    with Proxy(shared_redis.port) as proxy:
        yield proxy


def url_of(proxy):
    return f"redis://127.0.0.1:{proxy.port}/0"


@pytest.mark.parametrize("warm", [True, False], ids=["warm pool", "empty pool"])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_ends_in_time_with_a_documented_error(redis_url, proxy, fault, warm):
    client = ImClient(redis=url_of(proxy), servers=SERVERS)
    if warm:
        assert not any(_all_at_once(client)[1].values())
    FAULTS[fault](proxy)
    seconds, errors = _all_at_once(client)
    proxy.mend()
    after, none = _all_at_once(client)
    client.redis.close()
    slowest = max(seconds, key=seconds.get)
    print(
        f"{fault}, {'warm' if warm else 'empty'} pool: slowest {slowest} "
        f"{seconds[slowest]:.2f} s; once mended all within {max(after.values()):.2f} s"
    )
    assert set(errors.values()) <= DOCUMENTED, errors
    limit = {"refused": 0}.get(fault, ANSWER) + NOISE
    assert max(seconds.values()) <= limit
    assert not any(none.values()), none
    assert max(after.values()) <= NOISE


def test_a_connect_that_nobody_answers_ends_in_time():
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(
            socket.create_server(("127.0.0.1", 0), backlog=0)
        )
        port = listener.getsockname()[1]
        # Connections that are never accepted fill the backlog: then SYNs are dropped.
        with contextlib.suppress(socket.timeout):
            while True:
                stack.enter_context(socket.create_connection(("127.0.0.1", port), 0.2))
        client = ImClient(redis=f"redis://127.0.0.1:{port}/0", servers=SERVERS)
        begin = time.monotonic()
        with pytest.raises((redis.TimeoutError, redis.ConnectionError)):
            client.send_message(0, 1, "x")
        seconds = time.monotonic() - begin
        print(f"a connect that is not answered: {seconds:.2f} s")
        assert CONNECT * 0.9 <= seconds <= CONNECT + NOISE


def test_all_steps_of_a_new_connection_share_one_deadline(tmp_path):
    server = redis_server(tmp_path, arguments=["--requirepass", "secret"])
    server.ready = lambda: redis_answers(f"redis://:secret@127.0.0.1:{server.port}/0")
    server.serve()
    with Proxy(server.port) as proxy:
        # Password, database and command: three answers, each of them in time.
        proxy.delay(0.9, TO_CLIENT)
        client = ImClient(
            redis=f"redis://:secret@127.0.0.1:{proxy.port}/1", servers=SERVERS
        )
        begin = time.monotonic()
        with pytest.raises(redis.TimeoutError):
            client.send_message(0, 1, "x")
        seconds = time.monotonic() - begin
        proxy.mend()
        assert client.send_message(0, 1, "x") == 0
        client.redis.close()
    server.stop()
    print(f"a handshake in slow steps: {seconds:.2f} s")
    assert seconds <= CONNECT + NOISE


def test_an_answer_in_crumbs_has_one_deadline(redis_url, proxy):
    client = ImClient(redis=url_of(proxy), servers=SERVERS)
    for number in range(100):
        client.join_chan(1, f"room {number}")
    proxy.dribble(1, 0.05, TO_CLIENT)
    begin = time.monotonic()
    with pytest.raises(redis.TimeoutError):
        client.get_chan_list()
    seconds = time.monotonic() - begin
    proxy.mend()
    assert len(client.get_chan_list()) == 100
    client.redis.close()
    print(f"an answer in crumbs: {seconds:.2f} s")
    assert seconds <= ANSWER + NOISE


@pytest.mark.parametrize("fault", FAULTS)
def test_an_application_stays_healthy(redis_url, proxy, fault):
    with webapi(url_of(proxy)) as app:
        before = _state(app)
        calm, healthy = _measure(app)
        assert {one["error"] for one in healthy} == {None}
        FAULTS[fault](proxy)
        rough, calls = _measure(app)
        proxy.mend()
        # At once, in each worker.
        after = _state(app)
        print(
            f"{fault}: {len(calls)} calls, slowest "
            f"{max(one['seconds'] for one in calls):.2f} s; the other route's p99 "
            f"{_p99(calm) * 1000:.1f} ms before, {_p99(rough) * 1000:.1f} ms during, "
            f"slowest {max(rough) * 1000:.1f} ms of {len(rough)}; (threads, files) "
            f"{sorted(before.values())} before, {sorted(after.values())} after"
        )
        assert {one["error"] for one in calls} <= DOCUMENTED
        assert max(one["seconds"] for one in calls) <= CONNECT + ANSWER
        assert _p99(rough) <= 1.2 * _p99(calm) + 0.02
        assert after == before
        assert "Traceback" not in app.log, app.log


def _all_at_once(client):
    """Makes each call in a thread; returns seconds and error (or None) by name."""
    seconds, errors = {}, {}

    def run(name):
        begin = time.monotonic()
        try:
            CALLS[name](client)
            errors[name] = None
        except Exception as error:
            kind = type(error)
            errors[name] = f"{kind.__module__}.{kind.__qualname__}"
        seconds[name] = time.monotonic() - begin

    threads = [threading.Thread(target=run, args=(name,)) for name in CALLS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert len(seconds) == len(CALLS)
    return seconds, errors


def _state(app):
    """Has each worker call the helper; returns its threads and files, by process."""
    seen = set()

    def look():
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(get(app, "/send")))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {one["error"] for one in answers} == {None}
        seen.update(one["pid"] for one in answers)
        return len(seen) == 4

    wait_until(look, "each worker has called the helper")
    return {pid: _threads_and_files(psutil.Process(pid)) for pid in seen}


def _threads_and_files(process):
    # The least of some looks: the connection of a request that was answered may be
    # closed a moment later.
    looks = []
    for _ in range(10):
        looks.append((process.num_threads(), process.num_fds()))
        time.sleep(0.02)
    return min(looks)


def _measure(app):
    """Returns seconds of one route's requests, and what others called meanwhile."""
    end = time.monotonic() + WINDOW
    calls, seconds = [], []

    def call():
        while time.monotonic() < end:
            calls.append(get(app, "/send"))
            # Else they would only compete for the processor.
            time.sleep(0.02)

    threads = [threading.Thread(target=call) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    while time.monotonic() < end:
        begin = time.monotonic()
        get(app, "/plain")
        seconds.append(time.monotonic() - begin)
        time.sleep(0.005)
    for thread in threads:
        thread.join()
    return seconds, calls


def _p99(seconds):
    return statistics.quantiles(seconds, n=100)[-1]
