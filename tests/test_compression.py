"""`compress` on a running relay: who agrees to it, and clients that abuse it.

gevent-websocket's worker answers the handshake by itself, and so agrees with nobody.
"""

from __future__ import annotations

import zlib

import psutil
import pytest

from .running import PLAIN_WAYS, System, close_code, wait_until
from .talk import deflated
from .websocket.test_protocol import TEXT, frame


OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
BOMBS = 20


@pytest.fixture(scope="module", params=PLAIN_WAYS)
def system(request, shared_redis):
    with System(shared_redis.url, request.param, compress="on") as system:
        yield system


@pytest.fixture(autouse=True)
def gone(system):
    yield
    system.close_sockets()


def resident(system):
    """Returns the bytes of all processes of the node."""
    node = psutil.Process(system.nodes[0].pid)
    family = [node, *node.children(recursive=True)]
    return sum(process.memory_info().rss for process in family)


def test_one_message_reaches_who_agreed_compressed_and_others_plain(system):
    agreed = system.connect(1, header=OFFER)
    plain = system.connect(2)
    assert "permessage-deflate" in agreed.getheaders()["sec-websocket-extensions"]
    assert "sec-websocket-extensions" not in plain.getheaders()
    text = "word and " * 200
    system.client.send_message(0, [1, 2], text)
    # By hand: websocket-client refuses what it does not inflate.
    head, size = agreed.sock.recv(2)
    assert (head, size < 100) == (0xC1, True)
    packed = agreed.sock.recv(size)
    inflated = zlib.decompressobj(-15).decompress(packed + b"\0\0\xff\xff")
    assert inflated.decode() == f'"{text}"' == plain.recv()


def test_bombs_cost_their_senders_only(system):
    bystander = system.connect(99, header=OFFER)
    data = frame(TEXT, deflated(bytes(40_000_000)), rsv=4)
    assert 20_000 < len(data) < 65_536
    before = resident(system)
    for client_id in range(1, BOMBS + 1):
        sock = system.connect(client_id, header=OFFER)
        sock.sock.sendall(data)
        assert close_code(sock) == 1009
        sock.shutdown()
    wait_until(
        lambda: not any(map(system.client.has_online, range(1, BOMBS + 1))), "offline"
    )
    # One of them inflated would be 40 MB.
    assert resident(system) - before < 10_000_000
    system.client.send_message(0, 99, "fine")
    assert bystander.recv() == '"fine"'
