"""The door: who is refused and how, caps, sub-protocols, and what the logs say."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from urllib.parse import urlsplit

import pytest
import websocket

from . import talk
from .running import PLAIN_WAYS, System, close_code, wait_until


WAYS = [*PLAIN_WAYS, "gunicorn -k GeventWebSocketWorker"]

#: Everything that a server may say, as the operators' page configures it.
GUNICORN_CONF = """
import logging

loglevel = "debug"
accesslog = "-"
control_socket_disable = True


def post_fork(server, worker):
    logging.basicConfig(level="DEBUG", format="%(levelname)s %(name)s %(message)s")
"""

PAGE = "https://im.example.com"

#: What nobody may find in a log: the beginning of a token, meta data, messages.
MARKER = "c0ffee" * 20
META, MESSAGE = "meta-of-the-client", "text-of-a-message"


def loud(way, folder):
    """Returns the flags that make a relay log all it can."""
    if way == "freeim relay":
        return ["--log-level", "debug"]
    conf = folder / "gunicorn.conf.py"
    conf.write_text(GUNICORN_CONF, encoding="utf-8")
    return ["-c", str(conf)]


@pytest.fixture(scope="module", params=WAYS)
def system(request, shared_redis, tmp_path_factory):
    flags = loud(request.param, tmp_path_factory.mktemp("conf"))
    options = {"allowed_origins": f"{PAGE},http://localhost:8000"}
    with System(shared_redis.url, request.param, flags=flags, **options) as system:
        system.upgrades_first = "WebSocketWorker" in request.param
        system.address = system.nodes[0].address
        yield system


def bearer(system, client_id=1):
    """Returns the query with a good token."""
    return "?" + urlsplit(system.client.prev_connect_server(client_id)).query


@pytest.fixture
def plain_system(system):
    if system.upgrades_first:
        pytest.skip("this worker answers by itself, see close-codes.md")
    return system


#: What is changed of a good handshake, and its answer.
EDGES = {
    "origin of ours": ({"Origin": PAGE}, 101),
    "origin in capitals": ({"Origin": PAGE.upper()}, 101),
    "no origin": ({}, 101),
    "foreign origin": ({"Origin": "https://evil.example"}, 403),
    "null origin": ({"Origin": "null"}, 403),
    "origin with a tail": ({"Origin": f"{PAGE}.evil.example"}, 403),
    "capitals": ({"Upgrade": "WEBSOCKET", "Connection": "UPGRADE"}, 101),
    "version 7": ({"Sec_WebSocket_Version": "7"}, 426),
    "version 8": ({"Sec_WebSocket_Version": "8"}, 426),
    "version 99": ({"Sec_WebSocket_Version": "99"}, 426),
    "no version": ({"Sec_WebSocket_Version": None}, 426),
    "no key": ({"Sec_WebSocket_Key": None}, 400),
    "short key": ({"Sec_WebSocket_Key": "c2hvcnQ="}, 400),
    "key that is no base64": ({"Sec_WebSocket_Key": "\xe9" * 24}, 400),
    "HTTP/1.0": ({"version": "HTTP/1.0"}, 400),
    "POST": ({"method": "POST"}, 405),
    "HEAD": ({"method": "HEAD"}, 405),
    "no Upgrade": ({"Upgrade": None}, 400),
    "no Connection": ({"Connection": None}, 400),
    "body": ({"Content_Length": "3"}, 400),
    "chunked body": ({"Transfer_Encoding": "chunked"}, 400),
}


@pytest.mark.parametrize("changes, status", EDGES.values(), ids=EDGES)
def test_each_handshake_gets_the_answer_of_the_rfc(plain_system, changes, status):
    system = plain_system
    request = talk.handshake(bearer(system), **changes)
    if "Content_Length" in changes:
        request += b"abc"
    if "Transfer_Encoding" in changes:
        request += b"3\r\nabc\r\n0\r\n\r\n"
    answer, headers, _ = talk.ask(system.address, request)
    assert answer == status
    if status == 426:
        assert headers["sec-websocket-version"] == "13"
    if status == 405:
        assert headers["allow"] == "get"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /ws?token=" + MARKER.encode() + b" HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET  /ws?token=" + MARKER.encode() + b" HTTP/1.1 x\r\nHost: x\r\n\r\n",
        b"G\x00T /ws?token=" + MARKER.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /ws?token=" + MARKER.encode() * 700 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /ws?token=" + MARKER.encode() + b" HTTP/1.1\r\nno header\r\n\r\n",
        b"GET /ws?token=x HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 500 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50 + b"\r\n\r\n",
    ],
    ids=["http2", "version", "line", "method", "long", "header", "headers", "tls"],
)
def test_what_is_no_request_is_refused_without_a_traceback(plain_system, request_bytes):
    begun = len(plain_system.nodes[0].lines)
    answer, _, _ = talk.ask(plain_system.address, request_bytes)
    assert answer == 0 or 400 <= answer < 600
    said = "\n".join(plain_system.nodes[0].lines[begun:])
    assert "Traceback" not in said


def test_a_token_may_travel_as_a_sub_protocol(system):
    address = system.client.prev_connect(7)
    assert "token" not in address.url
    sock = websocket.create_connection(
        address.url, timeout=10, subprotocols=[*address.protocols], origin=PAGE
    )
    assert sock.getsubprotocol() == "freeim"
    wait_until(lambda: system.client.has_online(7), "online")
    system.client.send_message(0, 7, MESSAGE)
    assert sock.recv() == f'"{MESSAGE}"'
    sock.close()
    # It admits one socket by this way, too.
    code = refused(system, address.url, address.protocols, origin=PAGE)
    assert code == (4401 if system.upgrades_first else 401)


def test_other_sub_protocols_are_not_selected(plain_system):
    query = bearer(plain_system)
    request = talk.handshake(query, Sec_WebSocket_Protocol="chat, superchat")
    status, headers, _ = talk.ask(plain_system.address, request)
    assert status == 101 and "sec-websocket-protocol" not in headers


def refused(system, url, protocols=None, **headers):
    """Opens a socket that is refused; returns its status, or the code after the 101."""
    try:
        sock = websocket.create_connection(
            url, timeout=10, subprotocols=protocols and list(protocols), **headers
        )
    except websocket.WebSocketBadStatusException as error:
        return error.status_code
    with contextlib.closing(sock):
        return close_code(sock)


def test_a_foreign_origin_is_refused_in_each_way(system):
    url = system.client.prev_connect_server(3)
    code = refused(system, url, origin="https://evil.example")
    assert code == (4403 if system.upgrades_first else 403)
    # It was refused before its token was spent.
    sock = websocket.create_connection(url, timeout=10, origin=PAGE)
    sock.close()


def line_of(system, pattern):
    """Returns the line of the access log that matches."""
    return wait_until(
        lambda: next(
            (one for one in system.nodes[0].lines if re.search(pattern, one)), None
        ),
        pattern,
    )


def test_each_socket_has_one_line_at_its_end(system):
    sock = system.connect(41, META, origin=PAGE)
    system.client.send_message(0, 41, MESSAGE)
    system.client.send_message(0, 41, MESSAGE)
    assert [sock.recv(), sock.recv()] == [f'"{MESSAGE}"'] * 2
    sock.ping("x")
    sock.send(MESSAGE)
    sock.close(4000)
    line = line_of(system, r"freeim\.access .*client=41 ")
    assert re.search(
        rf"= [0-9a-f]+ client=41 address=127\.0\.0\.1 origin={PAGE} "
        # The ping and the text with six bytes of head and mask, and the close.
        rf"close=4000 NORMAL seconds=\d\.\d in=3/{7 + 6 + len(MESSAGE) + 8} out=2/\d+$",
        line,
    ), line
    lines = [one for one in system.nodes[0].lines if "freeim.access" in one]
    assert sum("client=41 " in one for one in lines) == 1


def test_each_refusal_has_one_line(system):
    url = f"ws://{system.address}/ws?token={MARKER}"
    origin = "http://localhost:8000"
    refused(system, url, origin=origin, header=["X-Forwarded-For: 203.0.113.77"])
    line = line_of(system, "address=203.0.113.77 ")
    assert line.endswith(
        f"! refused address=203.0.113.77 origin={origin} status=401 the token is "
        "missing, unknown, used or expired: get a new address from prev_connect_server"
    )


def test_no_log_holds_a_token_or_a_message(system):
    """The last of this module: after all that was said above, and some more."""
    node, tokens = system.nodes[0], []
    for query in ("?token={}", "?x=1&token={}", "?%74oken={}", "?other={}"):
        for path in ("/ws", "/elsewhere", "/healthz"):
            url = system.client.prev_connect_server(5, META)
            tokens.append(url[-128:])
            talk.ask(
                system.address,
                talk.handshake(line=f"GET {path}{query.format(url[-128:])} HTTP/1.1"),
            )
            plain = f"GET {path}{query.format(url[-128:])} HTTP/1.1\r\nHost: x\r\n\r\n"
            talk.ask(system.address, plain.encode())
    address = system.client.prev_connect(5, META)
    tokens.append(address.protocols[1])
    refused(system, address.url, address.protocols, origin="https://evil.example")
    line_of(system, "origin=https://evil.example status=403 pages of")
    for secret in (*tokens, MARKER[:60], META, MESSAGE):
        assert secret not in node.log
    assert "Traceback" not in node.log, node.log
    assert "ERROR" not in node.log, node.log


# Caps


@pytest.mark.parametrize("way", WAYS)
def test_caps_answer_at_once_and_let_in_when_there_is_room(shared_redis, way):
    options = {
        "max_sockets": 5,
        "max_sockets_per_client": 2,
        "max_sockets_per_ip": 3,
        "forwarded_allow_ips": "127.0.0.1",
    }
    too_many = 1013 if "WebSocketWorker" in way else 503
    with System(shared_redis.url, way, **options) as system:

        def come(client_id, address):
            return system.connect(client_id, header=[f"X-Forwarded-For: {address}"])

        def come_in_vain(client_id, address):
            url = system.client.prev_connect_server(client_id)
            begin = time.monotonic()
            code = refused(system, url, header=[f"X-Forwarded-For: {address}"])
            assert time.monotonic() - begin < 0.5
            return code

        first = come(1, "192.0.2.1")
        come(1, "192.0.2.2")
        assert come_in_vain(1, "192.0.2.3") == too_many
        come(2, "192.0.2.1")
        come(3, "192.0.2.1")
        assert come_in_vain(4, "192.0.2.1") == too_many
        # What the client itself claims is not asked.
        assert come_in_vain(4, "192.0.2.9, 192.0.2.1") == too_many
        come(4, "192.0.2.4")
        assert come_in_vain(5, "192.0.2.5") == too_many
        first.close()
        wait_until(lambda: system.sockets_of(1) == 1, "one has left")
        come(5, "192.0.2.1")
        assert come_in_vain(6, "192.0.2.6") == too_many
        assert system.nodes[0].metric("freeim_sockets") == 5


@pytest.mark.parametrize("way", PLAIN_WAYS)
def test_connects_over_their_rate_are_told_when_to_come_back(shared_redis, way):
    with System(shared_redis.url, way, max_connects_per_second="3") as system:
        address, begin = system.nodes[0].address, time.monotonic()
        statuses = []
        while time.monotonic() - begin < 0.5:
            request = talk.handshake(bearer(system))
            status, headers, _ = talk.ask(address, request)
            statuses.append(status)
            assert status == 101 or headers["retry-after"] == "1"
        seconds = time.monotonic() - begin
        assert 3 <= statuses.count(101) <= 3 + 3 * seconds + 1
        assert set(statuses) == {101, 503}


def test_gunicorns_own_list_of_proxies_holds(shared_redis):
    flags = ["--forwarded-allow-ips", "10.0.0.1"]
    way = "gunicorn -k gevent"
    with System(shared_redis.url, way, flags=flags, max_sockets_per_ip=1) as system:
        system.connect(1, header=["X-Forwarded-For: 192.0.2.1"])
        url = system.client.prev_connect_server(2)
        assert refused(system, url, header=["X-Forwarded-For: 192.0.2.2"]) == 503


@pytest.mark.parametrize("way", ["gunicorn -k gevent"])
def test_a_listener_that_is_a_file(shared_redis, tmp_path, way):
    path = str(tmp_path / "relay.sock")
    flags = ["--bind", f"unix:{path}"]
    with System(shared_redis.url, way, flags=flags, max_sockets_per_ip=1) as system:
        kept, query = None, bearer(system)
        for address, status in (("192.0.2.1", 101), ("192.0.2.1", 503)):
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(10)
                link.connect(path)
                link.sendall(talk.handshake(query, X_Forwarded_For=address))
                assert talk.read_head(link)[0] == status
                # The first one stays while the second tries.
                kept = kept or link.dup()
                query = bearer(system, 2)
        kept.close()
