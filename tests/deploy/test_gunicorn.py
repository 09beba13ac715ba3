"""deploy/gunicorn.conf.py under a real gunicorn."""

from __future__ import annotations

import http.client
import socket
import sys
import time

from tests.running import System, close_code, wait_until

from .files import GUNICORN_CONF, gunicorn_conf


COMMAND = [
    *(sys.executable, "-m", "gunicorn", "-c", str(GUNICORN_CONF)),
    *("--access-logfile", "-", "freeim.relay_wsgi:app"),
]


def test_a_node_serves_keeps_tokens_out_of_its_log_and_drains(redis_url):
    with System(redis_url, "gunicorn -k gevent", command=COMMAND) as system:
        node = system.nodes[0]
        host, port = node.address.split(":")
        sock = system.connect(1)
        assert system.client.send_message(0, 1, "hi") == 1
        assert sock.recv() == '"hi"'
        # The relay's own log is shown, with its time.
        line = next(line for line in node.lines if "= node" in line)
        assert " INFO freeim.relay." in line

        # A refused handshake has an access line, and that no token.
        link = http.client.HTTPConnection(node.address, timeout=5)
        upgrade = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
        }
        link.request("GET", "/ws?token=sekret", headers=upgrade)
        assert link.getresponse().status == 401
        link.close()
        wait_until(lambda: " /ws 401" in node.log, "access line")
        assert "sekret" not in node.log

        # A request head that does not come is given up, and not before its time.
        begin = time.monotonic()
        with socket.create_connection((host, int(port)), timeout=15) as half:
            half.sendall(b"GET /healthz HT")
            assert half.recv(1000) == b""
        waited = time.monotonic() - begin
        assert abs(waited - gunicorn_conf()["keepalive"]) < 2

        node.terminate()
        assert close_code(sock) == 1001
        wait_until(lambda: node.status is not None, "the end")
        assert node.status == 0
        assert not system.redis.exists(system.client.wire.online_key)
        assert "Traceback" not in node.log


def test_a_drain_fits_into_graceful_timeout(monkeypatch):
    for window, graceful in (("5", 15), ("20", 30), ("", 15), ("often", 15)):
        monkeypatch.setenv("FREEIM_DRAIN_WINDOW", window)
        assert gunicorn_conf()["graceful_timeout"] == graceful


def test_gunicorn_knows_every_setting():
    from gunicorn.config import KNOWN_SETTINGS

    known = {setting.name for setting in KNOWN_SETTINGS}
    own = {"logging", "os", "drain_window", "control_socket_disable", "__builtins__"}
    assert set(gunicorn_conf()) - own - {"__doc__"} <= known
