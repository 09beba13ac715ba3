"""What a node says of itself beside its lease, and orders on its own channel."""

from __future__ import annotations

import pytest

from freeim import WireError
from freeim.orders import DrainOrder, decode_word, encode_drain
from freeim.status import Report, read_nodes

from .running import System, close_code, wait_until


def states(system):
    return read_nodes(system.redis, system.client.wire)


def test_a_report_is_read_as_it_was_written():
    report = Report(
        "a", "a,b", "modulo", "1.2", "h", 7, 8, 1, 2, 3, 4, 5.5, 6.25, 9, 0.125, 10
    )
    texts = report.as_fields()
    answer = dict(zip(texts[::2], texts[1::2]))
    assert Report.from_hash(answer) == report
    # Another version may know more, or less, or mean something else.
    answer.update(color="blue", pid="none")
    del answer["gaps"]
    assert Report.from_hash(answer) == Report(**{**vars(report), "pid": 0, "gaps": 0})


def test_words_are_probes_or_orders_or_errors():
    assert decode_word(b"") is None
    for window in (None, 0.0, 12.5):
        assert decode_word(encode_drain(DrainOrder(window)).encode()) == (window,)
    for junk in (
        *(b"junk", b"\xff", b"[]", b"1", b'{"order":"dance"}', b"[" * 100_000),
        *(b'{"order":"drain","window":%s}' % one for one in (b"-1", b"true", b'"1"')),
        b'{"order":"drain","window":NaN}',
        b'{"order":"drain","window":Infinity}',
    ):
        with pytest.raises(WireError):
            decode_word(junk)


def test_each_process_reports_with_its_lease_and_takes_it_along(redis_url):
    with System(redis_url, "gunicorn -k gevent -w 4", ["a"], lease_ttl=2) as system:
        (node,) = system.nodes
        for one in range(1, 9):
            system.connect(one)
        system.client.send_broadcast_message("all")

        def all_reported():
            found = states(system)
            reports = [one.report for one in found]
            sockets = sum(one.sockets for one in reports)
            frames = sum(one.frames for one in reports)
            # A worker without a socket hears the message, too.
            heard = all(one.messages == 1 for one in reports)
            return found if (sockets, frames, heard) == (8, 8, True) else None

        found = wait_until(all_reported, "all have reported")
        assert sorted(one.report.pid for one in found) == sorted(node.worker_pids())
        assert {(one.report.server, one.report.servers) for one in found} == {
            ("a", "a")
        }
        assert sum(one.clients for one in found) == 8
        assert all(0 < one.lease <= 2 and one.report.version for one in found)
        key = system.client.wire.status_key(found[0].node)
        assert 0 < system.redis.pttl(key) <= 2000
    assert system.redis.keys("*Status*") == []


def test_a_rate_is_that_since_the_last_report(redis_url):
    with System(redis_url, "freeim relay", lease_ttl=2.5) as system:
        sock = system.connect(1)
        for number in range(100):
            system.client.send_message(0, 1, number)
            sock.recv()

        def rates():
            (state,) = states(system)
            return state.report.messages_per_second, state.report.frames_per_second

        # A report comes each 0.4 to 0.5 s.
        wait_until(lambda: min(rates()) > 20, "it is busy")
        wait_until(lambda: max(rates()) == 0, "it is idle")


def test_a_node_that_is_ordered_to_drain_is_empty_and_stays(redis_url):
    with System(redis_url, "freeim relay", ["a"], lease_ttl=2) as system:
        (node,) = system.nodes
        socks = [system.connect(one) for one in range(1, 21)]
        (state,) = states(system)
        channel = system.client.wire.probe_channel(state.node)
        assert system.redis.publish(channel, encode_drain(DrainOrder(0.5))) == 1
        assert [close_code(sock) for sock in socks] == [1001] * 20
        for sock in socks:
            sock.shutdown()
        system.sockets.clear()
        wait_until(lambda: not system.client.get_client_list_by_online(), "all offline")
        assert node.get("/readyz")[0] == 503 and node.status is None
        with pytest.raises(Exception, match="503"):
            system.connect(1)
        wait_until(lambda: states(system)[0].report.draining == 1, "it says so")
        # It stays a node, and ends as any.
        assert node.stop() == 0
        assert states(system) == [] and system.redis.keys("*Status*") == []
