"""What a relay counts: each event once, by reason, over all workers of an address."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest
import websocket

from freeim.commands import ChanMessage, DirectMessage
from freeim.orders import PROBE
from freeim.relay.metrics import FOLDER, REASONS, Metrics
from freeim.websocket import handshake

from ..running import System, clean_environ, redis_server, wait_until


def samples(page):
    """Returns the values of a page by name and labels."""
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def read(system):
    return samples(system.nodes[0].get("/metrics")[1])


def refused(url):
    with pytest.raises(websocket.WebSocketBadStatusException):
        websocket.create_connection(url, timeout=10)


def test_what_happens_to_sockets_and_messages_is_counted_by_kind(redis_url):
    with System(redis_url, "freeim relay") as system:
        client, address = system.client, system.nodes[0].address
        socks = [system.connect(one) for one in (1, 2, 3)]
        refused(f"ws://{address}/ws?token=nobody")
        client.join_chan(1, "room")
        client.join_chan(2, "room")
        # All in one step, and so in one batch.
        wire, pipe = client.wire, system.redis.pipeline()
        for payload in (
            wire.encode_direct(DirectMessage(0, [1, 2], '"direct"', False)),
            wire.encode_chan(ChanMessage(0, "room", '"chan"')),
            wire.encode_chan(ChanMessage(0, None, '"all"')),
        ):
            pipe.publish(wire.server_channel(system.nodes[0].server_name), payload)
        pipe.execute()
        client.force_offline(3)
        for sock, count in zip(socks, (3, 3, 1)):
            for _ in range(count):
                sock.recv()
        got = wait_until(
            lambda: (
                (found := read(system)).get('freeim_closed_total{code="4410"}')
                and found
            ),
            "the kick is counted",
        )
    assert got["freeim_sockets"] == 2
    assert got["freeim_processes"] == got["freeim_subscribed"] == 1
    assert got["freeim_opened_total"] == 3
    assert got['freeim_refused_total{reason="bad_token",status="401"}'] == 1
    assert got['freeim_commands_total{kind="DirectMessage"}'] == 1
    assert got['freeim_commands_total{kind="ChanMessage"}'] == 2
    assert got['freeim_commands_total{kind="ForceOffline"}'] == 1
    assert got['freeim_frames_total{kind="DirectMessage"}'] == 2
    assert got['freeim_frames_total{kind="ChanMessage"}'] == 2 + 3
    assert 1 <= got["freeim_fanout_seconds_count"] <= 4
    # Three handshakes of 129 bytes, what was sent, and a close frame.
    assert 3 * 129 < got["freeim_sent_bytes_total"] < 1000


def test_bytes_that_wait_and_the_probe_and_the_hub_are_measured(redis_url):
    with System(redis_url, "freeim relay", outbox_limit=100_000_000) as system:
        sock = system.connect(1)
        system.client.send_message(0, 1, "x" * 10_000_000)
        got = wait_until(
            lambda: (
                (found := read(system))["freeim_outbox_bytes"] > 1_000_000
                and found["freeim_probe_round_trip_seconds_count"] >= 1
                and found["freeim_hub_lag_seconds_count"] >= 1
                and found
            ),
            "all three are measured",
        )
        sent, waiting = got["freeim_sent_bytes_total"], got["freeim_outbox_bytes"]
        assert 10_000_000 < sent + waiting < 10_001_000
        sock.recv()
        wait_until(lambda: not read(system)["freeim_outbox_bytes"], "it was read")
        # A word on the probe's channel that is none is told, and costs nothing else.
        node = system.redis.hkeys(system.client.wire.nodes_key)[0].decode()
        system.redis.publish(system.client.wire.probe_channel(node), "junk")
        wait_until(lambda: "skipped: not JSON: b'junk'" in system.nodes[0].log, "line")
        system.client.send_message(0, 1, "on")
        assert sock.recv() == '"on"'
    assert PROBE == ""


def test_a_page_of_four_workers_shows_them_all(redis_url, tmp_path):
    folder = tmp_path / "made" / "when needed"
    variables = {FOLDER: folder, "lease_ttl": 2}
    with System(redis_url, "gunicorn -k gevent -w 4", **variables) as system:
        (node,) = system.nodes
        for one in range(1, 31):
            system.connect(one)
        system.client.send_broadcast_message("all")
        for sock in system.sockets:
            assert sock.recv() == '"all"'
        wait_until(
            lambda: read(system)["freeim_sockets"] == 30, "all sockets are shown"
        )
        got = read(system)
        assert got["freeim_processes"] == got["freeim_subscribed"] == 4
        assert got["freeim_opened_total"] == 30
        assert got['freeim_commands_total{kind="ChanMessage"}'] == 4
        assert got['freeim_frames_total{kind="ChanMessage"}'] == 30
        assert FOLDER not in node.log
        # What a worker counted that is gone stays; its sockets do not.
        # The one with the most files has sockets: some worker may have none.
        fullest = max(
            node.worker_pids(), key=lambda pid: len(os.listdir(f"/proc/{pid}/fd"))
        )
        os.kill(fullest, signal.SIGKILL)
        wait_until(lambda: read(system)["freeim_sockets"] < 30, "its gauges are gone")
        wait_until(
            lambda: read(system)["freeim_processes"] == 4, "the next one is there"
        )
        assert read(system)['freeim_frames_total{kind="ChanMessage"}'] == 30


def test_workers_that_count_apart_say_so_once(redis_url):
    with System(redis_url, "gunicorn -k gevent -w 4") as system:
        assert read(system)["freeim_processes"] == 1
        assert len(re.findall(f"name a folder in {FOLDER}", system.nodes[0].log)) == 1


def test_a_redis_that_was_away_is_counted_once_it_is_back(tmp_path):
    first = redis_server(tmp_path).serve()
    second = redis_server(tmp_path, first.port)
    try:
        with System(first.url, "freeim relay", lease_ttl=2.5) as system:
            assert read(system)["freeim_redis_reconnects_total"] == 0
            first.stop()
            failed = "freeim_redis_failures_total"
            wait_until(lambda: read(system)[failed] >= 1, "a round trip failed")
            second.serve()
            back = "freeim_redis_reconnects_total"
            wait_until(lambda: read(system)[back] == 1, "Redis is back")
            gaps = "freeim_subscription_gaps_total"
            wait_until(lambda: read(system)[gaps] == 1, "so is the subscription")
    finally:
        first.stop()
        second.stop()


def test_a_folder_that_cannot_be_used_is_one_line(redis_url, tmp_path):
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "freeim", "relay", "--servers", "127.0.0.1:1"],
        env=clean_environ(FREEIM_REDIS=redis_url, **{FOLDER: str(tmp_path / "file/x")}),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"freeim: {FOLDER}=" in done.stderr and "may write to" in done.stderr


def test_reasons_of_refusals_are_few_whatever_their_text_says():
    metrics = Metrics()
    for number in range(100):
        refusal = handshake.Refusal(
            "403 Forbidden", f"origin {number}", handshake.CloseReason.POLICY
        )
        metrics.count_refusal(refusal)
    lines = [one for one in samples(metrics.exposition().decode()) if "refused" in one]
    assert 'freeim_refused_total{reason="policy",status="403"}' in lines
    assert len([one for one in lines if "_total" in one]) == 1
    assert REASONS[handshake.NO_REDIS.text] == "no_redis"
