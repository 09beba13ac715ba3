"""The WebApi's process: it may restart, but only in the demo; Redis may be away."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest

from demo.parts import webapi_part
from demo.redis_server import free_port
from tests.running import wait_until

from .site import JSON, Page, Site, ask
from .test_files import kept, slow_upload


@pytest.fixture
def webapi(tmp_path):
    """Starts WebApis without a relay."""
    parts = []

    def start(redis, **environ):
        port = free_port()
        part = webapi_part("127.0.0.1", port, ["r:1"], redis, str(tmp_path / "data"))
        part.environ.update(environ)
        parts.append(part)
        part.start()
        wait_until(lambda: part.ready() or part.status is not None, "it serves")
        assert part.status is None
        return port

    yield start
    for part in parts:
        part.terminate()
        part.join(20)


def test_the_demo_is_ready_in_time(tmp_path):
    site = Site(tmp_path)
    began = time.monotonic()
    try:
        site.start()
        lasted = time.monotonic() - began
        ada = Page(site, "Ada")
        hers = ada.open()
        ada.say("Lobby", "first")
        hers.wait_for("message")
        chatted = time.monotonic() - began
        ada.leave()
    finally:
        site.stop()
    print(f"ready after {lasted:.2f} s, first message after {chatted:.2f} s")
    assert chatted < 15


def test_the_webapi_restarts_while_sockets_stay(friends):
    ada, bob = friends
    his = bob.open()
    before = ada.get("/api/nodes")[1]
    assert ada.post("/api/restart") == (200, {})

    def started_again():
        try:
            _, answer = ada.get("/api/nodes")
        except OSError:
            return False
        return answer["webapi"]["pid"] != before["webapi"]["pid"]

    wait_until(started_again, "the WebApi is back")
    after = ada.get("/api/nodes")[1]
    assert after["webapi"]["started"] > before["webapi"]["started"]
    assert after["nodes"] == before["nodes"] and len(after["nodes"]) == 2
    # The session, the friendship and the socket are as they were.
    message = ada.say(bob, "still there?")
    assert his.wait_for("message")["message"]["id"] == message["id"]
    assert his.close_code is None
    # It follows the events again.
    ada.open()
    his.wait_for("presence", id=ada.id, online=True)


def test_an_upload_that_a_restart_cuts_is_given_up(friends, site):
    ada, bob = friends
    his = bob.open()
    before = kept(site)
    pid = ada.get("/api/nodes")[1]["webapi"]["pid"]
    with slow_upload(ada, bob, 1000) as upload:
        upload.send(b"x" * 10)
        his.wait_for("file", status="sending")
        assert ada.post("/api/restart")[0] == 200
        his.wait_for("file", status="broken")
    wait_until(lambda: kept(site) == before, "nothing is left")

    def back():
        try:
            return ada.get("/api/nodes")[1]["webapi"]["pid"] != pid
        except OSError:
            return False

    wait_until(back, "the WebApi is back")


@pytest.mark.parametrize("mode", ["", "true"])
def test_outside_demo_mode_nobody_restarts_or_signs_in(webapi, redis_url, mode):
    port = webapi(redis_url, FREEIM_DEMO_MODE=mode)
    # 405: a file of the page might be called so, for a GET.
    assert ask(port, "POST", "/api/restart", "{}", JSON)[0].status == 405
    response, body = ask(port, "POST", "/api/sign-in", '{"name": "admin"}', JSON)
    assert (response.status, json.loads(body)["code"]) == (403, "no_password")


def test_without_redis_what_needs_none_goes_on(webapi):
    dead = f"redis://127.0.0.1:{free_port()}/0"
    site = SimpleNamespace(port=webapi(dead))
    ada, bob = Page(site, "Ada"), Page(site, "Bob")
    for path in ("/api/me", "/api/unread", "/api/history?room=Lobby"):
        assert ada.get(path)[0] == 200
    assert ada.post("/api/friends/ask", id=bob.id)[0] == 200
    assert bob.post("/api/friends/accept", id=ada.id)[0] == 200
    status, answer = ada.post("/api/connect")
    assert (status, answer["code"]) == (503, "redis_down")
    # It is stored first: sent again under the same key, it is one message.
    for _ in range(2):
        to = {"to": {"user": bob.id}, "text": "hi", "key": "1"}
        assert ada.post("/api/send", **to)[0] == 503
    history = bob.get("/api/history", user=ada.id)[1]["messages"]
    assert [message["text"] for message in history] == ["hi"]
