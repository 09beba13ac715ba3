"""The demo's WebApi, asked directly: what it refuses and how it says so."""

from __future__ import annotations

import pytest

from demo.parts import webapi_part
from demo.redis_server import free_port

from .conftest import post, start, stop


pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("path", "fields", "said"),
    [
        ("/ws/pre-connect", {"websocketId": "me"}, "websocketId 'me'"),
        ("/ws/pre-connect", {"websocketId": 2**63}, str(2**63)),
        ("/ws/pre-connect", {"nick": "x" * 25}, "nick"),
        ("/ws/offline", {}, "websocketId is missing"),
        ("/ws/subscr-channel", {"websocketId": 7}, "channel is missing"),
        ("/ws/send-channelmsg", {"channel": "", "message": "x"}, "channel is missing"),
        ("/ws/send-broadcast", {"message": ""}, "message is missing"),
        (
            "/ws/send-msg",
            {"senderWebsocketId": 1, "receiveWebsocketId": 0, "message": "x"},
            "client id 0",
        ),
    ],
)
def test_bad_input_is_refused_with_one_line(cluster, path, fields, said):
    status, answer = cluster.ask(path, **fields)
    assert (status, answer["code"]) == (400, 1)
    assert said in answer["message"] and "\n" not in answer["message"]


def test_the_webapi_says_that_redis_is_down(cluster):
    dead = f"redis://127.0.0.1:{free_port()}/0"
    port = free_port()
    webapi = webapi_part("127.0.0.1", port, cluster.servers, dead, ":memory:")
    try:
        start(webapi)
        status, answer = post(port, "/ws/people")
        assert (status, answer["code"]) == (503, 1)
    finally:
        stop(webapi)


def test_somebody_who_is_offline_is_in_no_room(cluster):
    status, answer = cluster.ask("/ws/subscr-channel", websocketId=77, channel="Tea")
    assert (status, answer["code"]) == (400, 1)
    assert cluster.heads() == {}
