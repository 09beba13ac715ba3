"""`freeim drain`: a node is emptied, and only that one."""

from __future__ import annotations

import time

import pytest
import websocket

from ..running import System, close_code, wait_until
from .commands import Terminal


def test_a_server_is_emptied_with_all_its_processes_and_no_other(redis_url):
    with System(redis_url, "gunicorn -k gevent -w 4", ["a", "b"]) as system:
        terminal = Terminal(system)
        socks = {one: system.connect(one) for one in range(1, 41)}
        # Even ids go to a.
        answer = terminal.json("drain", "a", "--window", 0.5)
        assert len(answer) == 4 and {one["node"][:2] for one in answer} == {"a:"}
        assert sum(one["clients"] for one in answer) == 20
        assert {one["left"] for one in answer} == {0}
        for one, sock in socks.items():
            if one % 2 == 0:
                assert close_code(sock) == 1001
        assert sorted(system.client.get_client_list_by_online()) == [*range(1, 41, 2)]
        url = system.client.prev_connect_server(2)
        with pytest.raises(websocket.WebSocketBadStatusException, match="503"):
            websocket.create_connection(url, timeout=10)
        assert "a:" in terminal.run("check-config", "--server", "b")
        system.client.send_message(0, 1, "you stay")
        assert socks[1].recv() == '"you stay"'
        system.close_sockets()
        assert [node.stop() for node in system.nodes] == [0, 0]
        assert system.redis.hgetall(system.client.wire.nodes_key) == {}


def test_one_process_is_emptied_by_its_own_name(redis_url):
    with System(redis_url, "freeim relay", ["a"], drain_window=30) as system:
        terminal = Terminal(system)
        socks = [system.connect(one) for one in (1, 2, 3)]
        (node,) = (key.decode() for key in system.redis.hkeys("im_v2_wsNodes"))
        said = terminal.run("drain", "b", status=1)
        assert said == "freeim: no node 'b' lives; those that do: a\n"
        # The node's own window would take half a minute.
        begin = time.monotonic()
        said = terminal.run("drain", node, "--window", 0.1)
        assert said == "drained 1 process(es) of 3 clients\n"
        assert time.monotonic() - begin < 8
        assert [close_code(sock) for sock in socks] == [1001] * 3
        wait_until(lambda: not system.client.get_client_list_by_online(), "offline")
        # Again: there is nobody left.
        assert terminal.json("drain", "a") == [{"node": node, "clients": 0, "left": 0}]


def test_a_drain_that_is_not_done_in_time_says_who_is_left(redis_url):
    with System(redis_url, "freeim relay", ["a"]) as system:
        for one in range(1, 11):
            system.connect(one)
        # These do not answer the close frame, and are cut off after 2 s.
        arguments = ("drain", "a", "--window", 0.4, "--wait", 0)
        said = Terminal(system).run(*arguments, status=1)
        assert "a:" in said and "still has" in said
