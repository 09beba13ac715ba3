"""Whole nodes: times, drain, restarts, several nodes, several workers."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import signal
import socket
import ssl
import time

import pytest
import trustme
import websocket

from freeim.events import start_event_bus

from .running import PLAIN_WAYS, WAYS, System, close_code, redis_server, wait_until


@pytest.mark.parametrize("way", PLAIN_WAYS)
def test_a_silent_socket_is_closed_and_one_that_answers_is_not(redis_url, way):
    times = {"ping_interval": 0.5, "idle_timeout": 1.0}
    with System(redis_url, way, **times) as system:
        lively, silent = system.connect(1), system.connect(2)
        lively.settimeout(0.05)
        begin = time.monotonic()
        while system.client.has_online(2):
            answer_pings(lively)
            assert time.monotonic() - begin < 5
        # Then the end, CLOSE_TIMEOUT after the close frame that it does not answer.
        assert 1.0 < time.monotonic() - begin < 4.0
        assert close_code(silent) == 4509
        system.client.send_message(0, 1, "end")
        lively.settimeout(10)
        assert lively.recv() == '"end"'


def answer_pings(sock):
    """Reads for a moment; the library answers pings while it does."""
    with contextlib.suppress(websocket.WebSocketTimeoutException):
        sock.recv()


@pytest.mark.parametrize("way", WAYS)
def test_sigterm_closes_with_1001_and_leaves_nothing_behind(redis_url, way):
    with System(redis_url, way, drain_window=0.5) as system:
        # gunicorn's SIGTERM is lost on a worker that has not booted yet.
        socket_on_each_worker(system)
        for number in range(1001, 1021):
            system.connect(number)
        system.client.join_chan(1, "room")
        node = system.nodes[0]
        node.terminate()
        assert {close_code(sock) for sock in system.sockets} == {1001}
        for sock in system.sockets:
            sock.shutdown()
        assert node.stop(10) == 0
        left = {key.decode() for key in system.redis.keys()}
        stays = {system.client.wire.presence_key}
        assert [key for key in left - stays if "Token" not in key] == []
        assert "Traceback" not in node.log, node.log


@pytest.mark.parametrize("way", PLAIN_WAYS)
def test_sockets_outlive_a_restart_of_redis(tmp_path, way):
    server = redis_server(tmp_path).serve()
    with System(server.url, way) as system:
        sock = system.connect(1)
        node = system.nodes[0]
        server.stop()
        wait_until(lambda: node.get("/readyz")[0] == 503, "not ready")
        assert node.get("/healthz")[0] == 200
        url = f"ws://{node.address}/ws?token=any"
        with pytest.raises(websocket.WebSocketBadStatusException) as caught:
            websocket.create_connection(url, timeout=10)
        assert caught.value.status_code == 503
        assert caught.value.resp_headers["retry-after"] == "2"
        again = redis_server(tmp_path, server.port).serve()
        wait_until(lambda: node.get("/readyz")[0] == 200, "ready again", 5)
        assert node.metric("freeim_subscription_gaps_total") == 1
        system.client.send_message(0, 1, "back")
        assert sock.recv() == '"back"'
        assert "Traceback" not in node.log, node.log
    again.stop()


@pytest.mark.parametrize("way", [way for way in WAYS if "-w 4" not in way])
def test_four_nodes_share_the_clients_and_a_direct_message_goes_to_one(redis_url, way):
    names = [f"node-{number}" for number in range(4)]
    with System(redis_url, way, names) as system:
        sockets = {number: system.connect(number) for number in range(1, 9)}
        for number in sockets:
            system.client.join_chan(number, "room")
        # Each client sits on the node that its id says.
        held = {name: node.metric("freeim_sockets") for name, node in _by_name(system)}
        assert held == dict.fromkeys(names, 2)
        assert system.client.send_message(1, 6, "one node") == 1
        assert sockets[6].recv() == '"one node"'
        before = [node.metric("freeim_frames_total") for node in system.nodes]
        assert system.client.send_message(1, [6, 2, 3], "two nodes", receipt=True) == 2
        assert [sockets[number].recv() for number in (6, 2, 3)] == ['"two nodes"'] * 3
        receipts = [json.loads(sockets[1].recv()) for _ in range(3)]
        assert [one["receipt"] for one in receipts] == ["发送成功"] * 3
        after = [node.metric("freeim_frames_total") for node in system.nodes]
        # Node 1 carried the three receipts to client 1.
        assert [b - a for a, b in zip(before, after)] == [0, 3, 2, 1]
        assert system.client.send_chan_message(0, "room", "all of them") == 4
        assert system.client.send_broadcast_message("everyone") == 4
        for sock in sockets.values():
            assert [sock.recv(), sock.recv()] == ['"all of them"', '"everyone"']


def _by_name(system):
    return [(node.server_name, node) for node in system.nodes]


def test_one_of_four_workers_answers_and_another_when_it_is_killed(redis_url):
    with System(redis_url, "gunicorn -k gevent -w 4", lease_ttl=2) as system:
        node = system.nodes[0]
        senders = socket_on_each_worker(system)
        speaker = _lock_holder(node)
        for _ in range(2):
            sender_id, sender = next(
                (client, sock)
                for holder, (client, sock) in senders.items()
                if holder != speaker
            )
            for receiver in range(100, 150):
                system.client.send_message(sender_id, receiver, receiver, receipt=True)
            got = [json.loads(sender.recv())["content"] for _ in range(50)]
            assert got == [str(receiver) for receiver in range(100, 150)]
            # When each worker's own socket has this, each worker has taken the rest.
            system.client.send_broadcast_message("so far")
            for _, sock in senders.values():
                assert sock.recv() == '"so far"'
            speaker = _lock_holder(node)
            os.kill(speaker, 9)
            senders.pop(speaker, None)
            gone = f"/proc/{speaker}/fd"
            wait_until(lambda gone=gone: not os.path.exists(gone), "it is gone")
            system.wait_for_workers(node)


def test_another_worker_answers_when_the_one_that_did_has_drained(redis_url):
    options = {"drain_window": 1.0}
    with System(redis_url, "gunicorn -k gevent -w 4", **options) as system:
        node = system.nodes[0]
        senders = socket_on_each_worker(system)
        for sender_id, sender in senders.values():
            system.client.send_message(sender_id, 500, "who speaks?", receipt=True)
            assert "who speaks?" in sender.recv()
        speaker = _lock_holder(node)
        senders.pop(speaker)
        sender_id, sender = next(iter(senders.values()))
        os.kill(speaker, signal.SIGTERM)
        begin, sent = time.monotonic(), 0

        def passed_on():
            return _lock_holder(node) not in (None, speaker)

        # Through the drain, however long its silent clients make it, and after it.
        while time.monotonic() < begin + 3 or (
            not passed_on() and time.monotonic() < begin + 10
        ):
            some = list(range(sent, sent + 50))
            sent += len(some)
            for one in some:
                system.client.send_message(sender_id, 500, one, receipt=True)
            # None is missing, and none of before comes again; two who answer may
            # overtake each other.
            got = [int(json.loads(sender.recv())["content"]) for _ in some]
            assert sorted(got) == some
        assert passed_on()
        system.client.send_message(0, sender_id, "nothing else")
        assert sender.recv() == '"nothing else"'


def test_a_client_at_the_wrong_node_is_named_once(redis_url):
    with System(redis_url, "freeim relay", ["node-0", "node-1"]) as system:
        wrong, right = system.nodes
        addresses = system.client.options.public_url
        addresses["node-1"] = addresses["node-0"]
        for client in (1, 3, 2):
            system.connect(client)
        assert wrong.metric("freeim_misrouted_total") == 2
        lines = [line for line in wrong.lines if "its messages go to" in line]
        assert len(lines) == 1
        assert "client 1 came to node-0 but its messages go to node-1" in lines[0]
        assert right.metric("freeim_misrouted_total") == 0


def test_a_quiet_subscription_is_kept(redis_url):
    with System(redis_url, "freeim relay") as system:
        node = system.nodes[0]
        bus = start_event_bus(system.client, print, print)
        channels = [
            system.client.wire.server_channel(node.server_name),
            system.client.wire.online_channel,
        ]
        # Longer than redis-py's own time limit on reading, 5 seconds.
        end = time.monotonic() + 6
        while time.monotonic() < end:
            counts = dict(system.redis.pubsub_numsub(*channels))
            assert set(counts.values()) == {1}
        assert node.metric("freeim_subscription_gaps_total") == 0
        assert "lost" not in node.log
        bus.stop()


@pytest.mark.parametrize("worker", ["gevent", "GeventWebSocketWorker"])
def test_tls_sockets_get_the_same_service(redis_url, tmp_path, worker):
    system = tls_system(redis_url, f"gunicorn -k {worker}", tmp_path)
    (node,) = system.nodes
    trust = {"sslopt": {"cert_reqs": ssl.CERT_NONE}}
    with system:
        first, second = system.connect(1, **trust), system.connect(2, **trust)
        system.client.send_message(1, 2, "x" * 3_000_000, receipt=True)
        assert len(second.recv()) == 3_000_002
        assert json.loads(first.recv())["receipt"] == "发送成功"
        system.client.force_offline(2)
        assert close_code(second) == 4410
        second.shutdown()
        wait_until(lambda: not system.client.has_online(2), "offline")
        node.terminate()
        assert close_code(first) == 1001
        first.shutdown()
        assert node.stop(10) == 0
        assert "Traceback" not in node.log, node.log


@pytest.mark.parametrize("way", [way for way in WAYS if "-w 4" in way])
def test_each_worker_is_a_node_of_its_own(redis_url, way):
    with System(redis_url, way) as system:
        node = system.nodes[0]
        holders = {
            client: _holder_of_socket(node, system.connect(client))
            for client in range(1, 33)
        }
        hashes = system.client.wire.node_key(node.server_name + ":*")
        shares = [system.redis.hkeys(key) for key in system.redis.keys(hashes)]
        shares = {frozenset(map(int, share)) for share in shares}
        expected = {}
        for client, holder in holders.items():
            expected.setdefault(holder, set()).add(client)
        assert shares == set(map(frozenset, expected.values()))
        assert len(shares) > 1


def tls_system(redis_url, way, folder, **options):
    """Returns a system of one node that speaks TLS."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    cert = authority.issue_cert("127.0.0.1")
    cert.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    flags = [f"--{kind}={folder / 'both.pem'}" for kind in ("certfile", "keyfile")]
    system = System(redis_url, way, flags=flags, **options)
    (node,) = system.nodes
    node.ready = lambda: system.subscribers(node) == 1
    trust = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    node.http = functools.partial(http.client.HTTPSConnection, context=trust)
    url = f"wss://{node.address}{{path}}?token={{token}}"
    system.client.options.public_url[node.server_name] = url
    return system


def socket_on_each_worker(system):
    """Connects a client to each worker; returns the clients by worker."""
    node, found = system.nodes[0], {}
    try:
        for client in range(1, node.workers + 1):
            sock = system.connect(client)
            worker = _holder_of_socket(node, sock)
            found[worker] = (client, sock)
            # Else the same one might take the next, too, and all of them.
            os.kill(worker, signal.SIGSTOP)
    finally:
        for worker in found:
            os.kill(worker, signal.SIGCONT)
    return found


def _lock_holder(node):
    """Returns the worker that has the lock file open."""
    for pid in node.worker_pids():
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                if "freeim-" in os.readlink(f"/proc/{pid}/fd/{fd}"):
                    return pid
            except OSError:
                continue
    return None


def _holder_of_socket(node, sock):
    """Returns the process that holds the other end of a client's socket."""
    own = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), 'little'):08X}"
    host, port = sock.sock.getsockname()
    remote = f"{own}:{port:04X}"
    with open("/proc/net/tcp") as table:
        inodes = [line.split()[9] for line in table if line.split()[2] == remote]
    for pid in node.worker_pids() or [node.pid]:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                if os.readlink(f"/proc/{pid}/fd/{fd}") in {
                    f"socket:[{inode}]" for inode in inodes
                }:
                    return pid
            except OSError:
                continue
    return None
