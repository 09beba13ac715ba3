"""What an administrator may do, and nobody else."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
import websocket

from tests.running import wait_until

from .site import Page


@pytest.mark.parametrize(
    "path, fields", [("/api/kick", {"id": 1}), ("/api/broadcast", {"text": "hello"})]
)
def test_only_an_administrator_may(enter, path, fields):
    hears = enter("Bob").open()
    status, answer = enter("Ada").post(path, **fields)
    assert (status, answer["code"]) == (403, "not_admin")
    assert hears.close_code is None and hears.of("broadcast") == []


def test_everybody_hears_a_broadcast(enter):
    admin, ada = enter("admin"), enter("Ada")
    sockets = [admin.open(), ada.open()]
    assert admin.post("/api/broadcast", text="<b>tea</b>")[0] == 200
    for socket in sockets:
        heard = socket.wait_for("broadcast")
        assert heard["text"] == "<b>tea</b>"
        assert heard["from"] == {"id": admin.id, "name": "admin"}


def test_who_is_kicked_hears_why_and_is_not_let_in_for_a_while(enter, site):
    admin, ada, bob = enter("admin"), enter("Ada"), enter("Bob")
    tabs, other = [ada.open(), ada.open()], bob.open()
    unused = ada.post("/api/connect")[1]["url"]
    assert admin.post("/api/kick", id=ada.id)[0] == 200
    for tab in tabs:
        assert tab.wait_for("kicked")["by"] == "admin"
        wait_until(lambda tab=tab: tab.close_code == 4410, "it is closed")
    with pytest.raises(websocket.WebSocketBadStatusException):
        websocket.create_connection(unused)
    for status, answer in (
        ada.post("/api/connect"),
        ada.post_form("/ws/pre-connect"),
    ):
        assert status == 403 and "sent you away" in answer["error"]
    assert other.close_code is None
    # The minute is over.
    with closing(sqlite3.connect(site.folder / "chat.sqlite3", timeout=10)) as database:
        with database:
            database.execute("UPDATE user SET kicked_until = 1 WHERE id = ?", [ada.id])
    ada.open()


def test_the_administrator_is_named_so(enter, site):
    assert enter("admin").get("/api/me")[1]["me"]["admin"] is True
    # The second one's "a" is Cyrillic.
    for name in ("admin 2", "\u0430dmin", "ａｄｍｉｎ"):
        assert Page(site, name).get("/api/me")[1]["me"]["admin"] is False
