"""A running relay: the door, presence, kicks, and clients that misbehave."""

from __future__ import annotations

import json
import socket
import struct
import threading

import pytest
import websocket

from .running import WAYS, System, close_code, wait_until


TEXT = websocket.ABNF.OPCODE_TEXT


@pytest.fixture(scope="module", params=WAYS)
def system_of_a_way(request, shared_redis):
    with System(
        shared_redis.url,
        request.param,
        outbox_limit=100_000,
        message_limit=1000,
    ) as system:
        system.way = request.param
        system.upgrades_first = "WebSocketWorker" in request.param
        yield system


@pytest.fixture
def system(system_of_a_way):
    yield system_of_a_way
    system_of_a_way.close_sockets()
    system_of_a_way.redis.flushall()


def refusal(system, url, **arguments):
    """Opens a socket that is refused; returns the HTTP status or the close code."""
    try:
        sock = websocket.create_connection(url, timeout=10, **arguments)
    except websocket.WebSocketBadStatusException as error:
        return error.status_code
    assert system.upgrades_first, "opened although it had to be refused"
    code = close_code(sock)
    sock.shutdown()
    return code


def address(system, token):
    return f"ws://{system.nodes[0].address}/ws?token={token}"


@pytest.mark.parametrize(
    "query", ["", "?token=", "?token=unknown", "?token=" + "f" * 3000, "?token=%FF%00"]
)
def test_a_socket_without_a_good_token_is_refused(system, query):
    url = f"ws://{system.nodes[0].address}/ws{query}"
    assert refusal(system, url) == (4401 if system.upgrades_first else 401)


def test_a_token_admits_one_socket_only(system):
    url = system.client.prev_connect_server(1)
    codes = []

    def race():
        try:
            sock = websocket.create_connection(url, timeout=10)
        except websocket.WebSocketBadStatusException as error:
            codes.append(error.status_code)
            return
        sock.settimeout(0.5)
        try:
            codes.append(close_code(sock))
        except websocket.WebSocketTimeoutException:
            codes.append("open")
        sock.shutdown()

    threads = [threading.Thread(target=race) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = 4401 if system.upgrades_first else 401
    assert sorted(map(str, codes)) == sorted([str(refused)] * 9 + ["open"])


def test_a_plain_request_is_told_what_the_path_speaks(system):
    status, body = system.nodes[0].get("/ws?token=x")
    assert (status, body) == (400, "this path speaks WebSocket only\n")
    assert system.nodes[0].get("/elsewhere")[0] == 404


def test_health_readiness_and_metrics_are_served(system):
    node = system.nodes[0]
    assert node.get("/healthz") == (200, "alive\n")
    wait_until(lambda: node.get("/readyz") == (200, "ready\n"), "worker is ready")
    wait_until(lambda: node.metric("freeim_subscribed") == 1, "worker is subscribed")


def test_the_last_socket_anywhere_ends_presence_and_channels(system):
    events = []
    bus = _event_bus(system, events)
    first, second = system.connect(1, "one"), system.connect(1, "two")
    system.client.join_chan(1, "room")
    assert system.sockets_of(1) == 2
    first.close()
    wait_until(lambda: system.sockets_of(1) == 1, "one socket is left")
    assert system.client.has_online(1)
    assert system.client.get_chan_list() == [("room", 1)]
    system.client.send_chan_message(0, "room", "still here")
    assert second.recv() == '"still here"'
    second.close()
    wait_until(lambda: not system.client.has_online(1), "offline")
    assert system.client.get_chan_list() == []
    assert system.client.get_chan_list_by_client_id(1) == []
    wait_until(lambda: len(events) == 2, "both events")
    bus.stop()
    assert [(kind, event.client_id) for kind, event in events] == [
        ("online", 1),
        ("offline", 1),
    ]


def _event_bus(system, events):
    from freeim.events import start_event_bus

    return start_event_bus(
        system.client,
        lambda event: events.append(("online", event)),
        lambda event: events.append(("offline", event)),
    )


def test_a_kick_closes_every_socket_of_the_client_and_no_other(system):
    kicked = [system.connect(1) for _ in range(3)]
    other = system.connect(2)
    unused = system.client.prev_connect_server(1)
    assert system.client.force_offline(1) == system.subscribers(system.nodes[0])
    assert [close_code(sock) for sock in kicked] == [4410] * 3
    wait_until(lambda: not system.client.has_online(1), "offline")
    assert refusal(system, unused) == (4401 if system.upgrades_first else 401)
    system.client.send_message(0, 2, "you stay")
    assert other.recv() == '"you stay"'


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"junk",
        b"\xff\xfe",
        b"[]",
        b'{"Item1":1,"Item2":[2]}',
        b'{"Item1":1,"Item2":["x"],"Item3":"\\"hi\\""}',
        b'{"Item1":0,"Item2":[2],"Item3":"\\ud800"}',
        b"__FreeIM__(ChanMessage){",
        b"__FreeIM__(ForceOffline)abc",
        b"__FreeIM__(Unheard)of",
        b"[" * 100_000,
    ],
    ids=lambda message: ascii(message[:30]),
)
def test_a_malformed_message_is_logged_once_and_the_next_is_delivered(system, message):
    node = system.nodes[0]
    sock = system.connect(2)
    before = len(node.lines)
    system.redis.publish("im_v2_wsServer127.0.0.1:6001", message)
    system.client.send_message(0, 2, "next")
    assert sock.recv() == '"next"'
    wait_until(lambda: len(node.lines) > before, "logged")
    logged = [line for line in node.lines[before:] if "message skipped" in line]
    assert len(logged) == 1
    assert len(logged[0]) < 600
    assert message[:20].decode(errors="ignore").replace('\\"', "")[:5] in logged[0]


def masked(opcode, payload, fin=True, length=None):
    """Returns a client's frame, masked with zeros."""
    length = len(payload) if length is None else length
    if length > 65535:
        head = struct.pack("!BBQ", fin << 7 | opcode, 0x80 | 127, length)
    elif length > 125:
        head = struct.pack("!BBH", fin << 7 | opcode, 0x80 | 126, length)
    else:
        head = struct.pack("!BB", fin << 7 | opcode, 0x80 | length)
    return head + bytes(4) + payload


#: What a client sends, and how it is closed.
GARBAGE = {
    "unmasked": (b"\x81\x02hi", 1002),
    "reserved bits": (b"\xf1\x80" + bytes(4), 1002),
    "unknown opcode": (masked(0x3, b""), 1002),
    "long ping": (masked(0x9, b"x" * 126), 1002),
    "ping in pieces": (masked(0x9, b"", fin=False), 1002),
    "continuation of nothing": (masked(0x0, b"x"), 1002),
    "close of one byte": (masked(0x8, b"x"), 1002),
    "close code 1005": (masked(0x8, struct.pack("!H", 1005)), 1002),
    "no UTF-8": (masked(0x1, b"\xff"), 1007),
    "no UTF-8 reason": (masked(0x8, struct.pack("!H", 1000) + b"\xff"), 1007),
    "long message": (masked(0x2, b"x" * 1001), 1009),
    "endless pieces": (
        masked(0x2, b"x" * 600, fin=False) + masked(0x0, b"x" * 600, fin=False),
        1009,
    ),
    "2 GiB announced": (masked(0x2, b"", length=1 << 31), 1009),
    "pings": (masked(0x9, b"x") * 31, 1008),
    "empty pongs": (masked(0xA, b"") * 31, 1008),
    "nothing in pieces": (
        masked(0x1, b"", fin=False) + masked(0x0, b"", fin=False) * 30,
        1008,
    ),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1002),
}


@pytest.mark.parametrize("data, code", GARBAGE.values(), ids=GARBAGE)
def test_garbage_costs_a_client_its_own_socket_only(system, data, code):
    bystander = system.connect(2)
    sock = system.connect(1)
    sock.sock.sendall(data)
    assert close_code(sock) == code
    # No need to answer: the end follows, and sooner than for other reasons, after 2 s.
    sock.settimeout(1.5)
    assert sock.sock.recv(1) == b""
    sock.shutdown()
    wait_until(lambda: not system.client.has_online(1), "offline")
    system.client.send_message(0, 2, "fine")
    assert bystander.recv() == '"fine"'


def test_messages_of_a_client_are_discarded(system):
    sock = system.connect(1)
    for _ in range(20):
        sock.send("x" * 900)
    sock.send_binary(b"\xff")
    sock.ping("alive?")
    opcode, data = sock.recv_data(control_frame=True)
    while opcode == websocket.ABNF.OPCODE_PING:
        opcode, data = sock.recv_data(control_frame=True)
    assert (opcode, data) == (websocket.ABNF.OPCODE_PONG, b"alive?")


def test_a_close_is_answered_with_its_own_code(system):
    sock = system.connect(1)
    sock.send_close(4000, b"bye")
    assert close_code(sock) == 4000
    assert sock.sock.recv(1) == b""


def test_a_client_that_does_not_read_is_closed_as_slow_and_no_other(system):
    lively = system.connect(1)
    slow = system.connect(2, sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)])
    content = "x" * 50_000
    got = []

    def read():
        while len(got) < 1 or got[-1] != '"end"':
            got.append(lively.recv())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    sent = 0
    while system.client.has_online(2):
        system.client.send_message(0, [2, 1], content)
        sent += 1
        wait_until(lambda sent=sent: len(got) >= sent, "the other has it", 5)
        assert sent < 1000
    system.client.send_message(0, 1, "end")
    reader.join(10)
    assert len(got) == sent + 1
    slow.shutdown()


def test_a_long_message_arrives_whole_although_it_is_read_late(system):
    sock, other = system.connect(1), system.connect(2)
    # More than the buffers of both sides take at once, several times.
    text = "长" * 8_000_000
    system.client.send_message(0, 1, text)
    system.client.send_message(0, 2, "meanwhile")
    assert other.recv() == '"meanwhile"'
    assert json.loads(sock.recv()) == text


def test_messages_arrive_in_the_order_in_which_they_were_published(system):
    sock = system.connect(1)
    system.client.join_chan(1, "room")
    for number in range(0, 999, 3):
        system.client.send_message(0, 1, number)
        system.client.send_chan_message(0, "room", number + 1)
        system.client.send_broadcast_message(number + 2)
    assert [json.loads(sock.recv()) for _ in range(999)] == list(range(999))


def test_frames_behind_the_request_are_not_lost(system):
    url = system.client.prev_connect_server(1)
    path = url[url.index("/ws") :]
    host, port = system.nodes[0].address.split(":")
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    ).encode()
    with socket.create_connection((host, int(port)), timeout=10) as link:
        link.sendall(request + masked(0x9, b"early"))
        received = b""
        while b"early" not in received:
            data = link.recv(4096)
            assert data, received
            received += data
    assert received.startswith(b"HTTP/1.1 101 ")
    assert received.endswith(b"\x8a\x05early")
