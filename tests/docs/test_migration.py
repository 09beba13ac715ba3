"""What the pages for those who come from elsewhere show runs, and is true."""

from __future__ import annotations

import ast
import json
import shlex

import pytest

from freeim import ImHelper
from tests.running import System, wait_until

from .pages import blocks_of, read, write_files


CSHARP, SOCKETIO = "docs/migration/csharp-freeim.md", "docs/migration/flask-socketio.md"


@pytest.fixture
def system(redis_url):
    with System(redis_url, "freeim relay", check_interval=1) as made:
        yield made
    if ImHelper._instance is not None:
        ImHelper._instance.redis.connection_pool.disconnect()
    ImHelper._instance = None


def run(page, name, folder, redis_url):
    """Runs a file of a page against this test's Redis; returns its names."""
    write_files(
        page, folder, lambda text: text.replace("redis://127.0.0.1:6379/0", redis_url)
    )
    # Flask looks for the folder of a module of this name, and takes ours.
    names = {"__name__": "shown_by_a_page"}
    exec((folder / name).read_text(encoding="utf-8"), names)
    return names


def test_the_webapi_in_python(system, redis_url, tmp_path, capsys):
    names = run(CSHARP, "webapi.py", tmp_path, redis_url)
    said = []
    try:
        events = system.client.wire.online_channel
        wait_until(lambda: system.redis.pubsub_numsub(events)[0][1], "it listens")
        sock = system.connect(1002)
        wait_until(
            lambda: (
                said.append(capsys.readouterr().out)
                or "1002 is online" in "".join(said)
            ),
            "the event",
        )
        assert names["talk"]("10.0.0.1").startswith("ws://127.0.0.1:6001/ws?token=")
        assert json.loads(sock.recv()) == {"type": "chat", "text": "hi"}
        assert sock.recv() == '"hello all"'
    finally:
        names["subscription"].stop()


def test_every_method_of_the_helper_is_in_the_table_for_csharp():
    text = read(CSHARP)
    public = [name for name in vars(ImHelper) if not name.startswith("_")]
    same = {"get_chan_client_list", "get_chan_list", "get_chan_list_by_client_id"}
    assert len(public) > 15
    rest = set(public) - same - {"get_chan_online", "event_group", "prev_connect"}
    assert [name for name in rest if f"`{name}`" not in text] == []


def test_what_a_csharp_node_left_goes_with_the_list(system):
    system.connect(5)
    # A node that was killed had counted these.
    system.redis.hincrby("im_v2_wsOnline", "5", 1)
    system.redis.hset("im_v2_wsOnline", "7777", 3)
    assert set(system.client.get_client_list_by_online()) == {5, 7777}
    (command,) = (
        shlex.split(block.code)
        for block in blocks_of(CSHARP, "sh")
        if block.code.startswith("redis-cli")
    )
    assert command[1:3] == ["-n", "0"]
    system.redis.execute_command(*command[3:])
    wait_until(lambda: system.sockets_of(5) == 1, "the relay writes its client again")
    assert system.client.get_client_list_by_online() == [5]
    node = system.nodes[0]
    wait_until(
        lambda: node.metric("freeim_presence_repairs_total") == 1, "it is counted"
    )


def test_the_room_after_flask_socketio(system, redis_url, tmp_path):
    app = run(SOCKETIO, "after.py", tmp_path, redis_url)["app"]
    ada, bo = app.test_client(), app.test_client()
    assert bo.post("/connect").status_code == 401
    for user, page in ((1, ada), (2, bo)):
        assert page.post("/login", data={"user": user}).json == {"ok": True}
    assert bo.post("/connect").json["url"].startswith("ws://127.0.0.1:6001/ws?token=")
    sock = system.connect(2)
    for page in (ada, bo):
        assert page.post("/enter", data={"room": "lobby"}).json == {"ok": True}
    said = ada.post("/say", data={"room": "lobby", "text": "hi"}).json
    assert json.loads(sock.recv()) == said == {"type": "chat", "from": 1, "text": "hi"}


def test_the_room_of_flask_socketio_is_python():
    (before,) = (one for one in blocks_of(SOCKETIO) if one.file == "before.py")
    ast.parse(before.code)
