"""The endpoints of the C# sample, which believe the session only."""

from __future__ import annotations

import pytest

from .site import Socket, new_name


@pytest.mark.parametrize(
    "path, field",
    [
        ("/ws/pre-connect", "websocketId"),
        ("/ws/offline", "websocketId"),
        ("/ws/get-channels", "websocketId"),
        ("/ws/subscr-channel", "websocketId"),
        ("/ws/leave-channel", "websocketId"),
        ("/ws/send-channelmsg", "websocketId"),
        ("/ws/send-msg", "senderWebsocketId"),
    ],
)
def test_nobody_speaks_for_somebody_else(friends, path, field):
    ada, bob = friends
    his = bob.open()
    fields = {"channel": "Lobby", "message": "x", "receiveWebsocketId": bob.id}
    status, answer = ada.post_form(path, **{**fields, field: bob.id})
    assert (status, answer["code"]) == (403, 1)
    assert his.close_code is None and his.of("message") == []
    assert bob.post_form("/ws/get-channels")[1]["joined"] == ["Lobby"]


def test_a_chat_through_them(friends):
    ada, bob = friends
    room = new_name("Tea")
    his = bob.open()
    _, answer = ada.post_form("/ws/pre-connect", websocketId=ada.id)
    assert (answer["code"], answer["websocketId"]) == (0, ada.id)
    hers = Socket(answer["server"])
    ada.sockets.append(hers)
    his.wait_for("presence", id=ada.id)
    for page in (ada, bob):
        fields = {"websocketId": page.id, "channel": room}
        assert page.post_form("/ws/subscr-channel", **fields) == (200, {"code": 0})
    _, answer = ada.post_form("/ws/get-channels")
    assert {"chan": room, "online": 2} in answer["channels"]
    assert room in answer["joined"]
    fields = {"channel": room, "message": "to all"}
    assert ada.post_form("/ws/send-channelmsg", **fields)[0] == 200
    for socket in (hers, his):
        assert socket.wait_for("message")["message"]["text"] == "to all"
    fields = {"receiveWebsocketId": ada.id, "message": "to you", "isReceipt": "true"}
    assert bob.post_form("/ws/send-msg", **fields)[0] == 200
    hers_last = [one["message"]["text"] for one in hers.of("message")]
    assert set(hers_last) <= {"to all", "to you"}
    assert ada.post_form("/ws/leave-channel", channel=room)[0] == 200
    assert ada.post_form("/ws/send-channelmsg", channel=room, message="x")[0] == 403
    assert ada.post_form("/ws/send-broadcast", message="x")[0] == 403
    assert ada.post_form("/ws/offline")[0] == 200
    his.wait_for("presence", id=ada.id, online=False)
    assert hers.close_code == 4410


def test_strangers_are_refused(enter):
    ada, eve = enter("Ada"), enter("Eve")
    fields = {"receiveWebsocketId": ada.id, "message": "hi"}
    assert eve.post_form("/ws/send-msg", **fields)[0] == 403


@pytest.mark.parametrize(
    "path, fields, said",
    [
        ("/ws/pre-connect", {"websocketId": "me"}, "websocketId"),
        ("/ws/subscr-channel", {}, "channel"),
        ("/ws/send-channelmsg", {"channel": "", "message": "x"}, "channel"),
        ("/ws/send-msg", {"receiveWebsocketId": "x"}, "receiveWebsocketId"),
    ],
)
def test_bad_input_is_refused_with_one_line(enter, path, fields, said):
    status, answer = enter("Ada").post_form(path, **fields)
    assert (status, answer["code"]) == (400, 1)
    assert said in answer["message"] and "\n" not in answer["message"]
