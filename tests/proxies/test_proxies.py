"""Each proxy of deploy/, with TLS, and two nodes behind one name."""

from __future__ import annotations

import json
import re
from functools import partial

import pytest
import websocket

from demo.redis_server import free_port

from ..running import close_code, wait_until
from .behind import NAME, NAMES, browse, doctor, helper, online_at, ports_of
from .servers import ALL, missing


@pytest.fixture(params=ALL, ids=lambda kind: kind.name)
def begin(request, start):
    """Returns what starts a proxy of each kind."""
    if missing(request.param):
        pytest.skip(missing(request.param))
    return partial(start, request.param)


def test_a_browser_reaches_both_nodes_under_one_name(system, authority, begin):
    proxy = begin()
    client = helper(system, proxy)
    sockets = {}
    for client_id in (2, 3):
        url = client.prev_connect_server(client_id)
        server = NAMES[client_id % 2]
        assert url.startswith(f"wss://{NAME}:{proxy.port}/{server}/ws?token=")
        sockets[client_id] = browse(proxy, authority, url)
        assert online_at(system, client, client_id) == [server]
    assert system.nodes[0].metric("freeim_misrouted_total") == 0
    assert client.send_message(0, [2, 3], "hello") == 2
    for sock in sockets.values():
        assert sock.recv() == '"hello"'
    client.send_message(2, 3, "and a receipt", receipt=True)
    assert json.loads(sockets[2].recv())["receipt"] == "发送成功"
    sockets[3].ping("there?")
    sockets[3].recv()
    client.force_offline(2)
    client.force_offline(3)
    assert [close_code(sock) for sock in sockets.values()] == [4410, 4410]
    for sock in sockets.values():
        sock.shutdown()


def test_the_doctor_finds_nothing_behind_it(system, authority, begin):
    status, walks = doctor(system, begin(), authority, "--idle", "0.1")
    assert status == 0, walks
    for hops in walks:
        assert {hop["status"] for hop in hops} == {"ok"}, hops
        assert "TLSv1." in next(hop["seen"] for hop in hops if hop["name"] == "tls")


def test_no_token_is_written_down_not_even_when_a_node_is_away(
    system, authority, begin
):
    proxy = begin(nodes=[ports_of(system)[0], free_port()])
    client = helper(system, proxy)
    good, bad = client.prev_connect_server(2), client.prev_connect_server(3)
    browse(proxy, authority, good).shutdown()
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        browse(proxy, authority, bad)
    assert refused.value.status_code in (502, 503)
    wait_until(lambda: "/im-2/ws" in proxy.logged(), "access line")
    lines = proxy.logged().splitlines()
    assert [line for line in lines if re.search("[0-9a-f]{32}", line)] == []


def test_what_a_client_says_of_its_address_is_not_handed_on(system, authority, begin):
    # The relay believes its proxy, so the proxy must not repeat what anybody says.
    proxy = begin()
    url = helper(system, proxy).prev_connect_server(2)
    sock = browse(proxy, authority, url, {"X-Forwarded-For": "203.0.113.9"})
    online_at(system, helper(system, proxy), 2)
    sock.shutdown()
    node = system.nodes[0]
    wait_until(lambda: "client=2 " in node.log, "access line")
    assert "203.0.113.9" not in node.log
