"""Rooms: members stay, head counts follow the sockets."""

from __future__ import annotations

import pytest

from tests.running import wait_until

from .site import Socket, new_name


def room_of(page, name):
    rooms = page.get("/api/rooms")[1]["rooms"]
    return next(room for room in rooms if room["name"] == name)


def test_a_new_account_is_in_the_lobby(enter):
    lobby = room_of(enter("Ada"), "Lobby")
    assert lobby["joined"] and lobby["members"] >= 1


def test_a_room_has_a_topic_members_and_a_head_count(enter):
    ada, bob, name = enter("Ada"), enter("Bob"), new_name("Tea")
    hears = ada.open()
    status, answer = ada.post("/api/rooms", name=name, topic="Green or black")
    assert (status, answer["room"]) == (200, {"name": name, "topic": "Green or black"})
    hears.wait_for("rooms")
    assert bob.post("/api/rooms/join", name=name)[0] == 200
    assert room_of(bob, name) == {
        **{"name": name, "topic": "Green or black"},
        **{"online": 1, "members": 2, "joined": True},
    }
    members = bob.get("/api/rooms/members", name=name)[1]["members"]
    assert members == [
        {"id": ada.id, "name": ada.name, "online": True},
        {"id": bob.id, "name": bob.name, "online": False},
    ]


def test_all_in_a_room_hear_a_message_and_nobody_else(enter):
    ada, bob, eve, name = enter("Ada"), enter("Bob"), enter("Eve"), new_name("Tea")
    sockets = [page.open() for page in (ada, bob, eve)]
    ada.post("/api/rooms", name=name)
    bob.post("/api/rooms/join", name=name)
    message = ada.say(name, "for us")
    for socket in sockets[:2]:
        assert socket.wait_for("message")["message"]["id"] == message["id"]
    # What comes to her later was sent later: the other did not come.
    ada.say("Lobby", "for all")
    assert sockets[2].wait_for("message")["message"]["text"] == "for all"


@pytest.mark.parametrize("left", [False, True])
def test_a_room_is_for_its_members(enter, left):
    ada, eve, name = enter("Ada"), enter("Eve"), new_name("Tea")
    ada.post("/api/rooms", name=name)
    last = ada.say(name, "secret")["id"]
    if left:
        eve.post("/api/rooms/join", name=name)
        eve.post("/api/rooms/leave", name=name)
    for status, answer in (
        eve.post("/api/send", to={"room": name}, text="hi", key="1"),
        eve.get("/api/history", room=name),
        eve.post("/api/read", room=name, id=last),
    ):
        assert (status, answer["code"]) == (403, "not_member")
    missed = eve.get("/api/missed", after=last - 1)[1]["messages"]
    assert [one for one in missed if one["to"] == {"room": name}] == []


def test_who_left_a_room_hears_nothing_of_it(enter):
    ada, bob, name = enter("Ada"), enter("Bob"), new_name("Tea")
    his = bob.open()
    ada.post("/api/rooms", name=name)
    bob.post("/api/rooms/join", name=name)
    bob.post("/api/rooms/leave", name=name)
    ada.say(name, "is he gone?")
    ada.say("Lobby", "for all")
    assert his.wait_for("message")["message"]["text"] == "for all"


def test_a_member_who_comes_back_is_in_the_room_without_asking(enter):
    ada, name = enter("Ada"), new_name("Tea")
    first = ada.open()
    ada.post("/api/rooms", name=name)
    first.close()
    wait_until(lambda: room_of(ada, name)["online"] == 0, "she is gone")
    assert room_of(ada, name)["joined"]
    # Not `open`, which asks what was missed: the online event does it.
    ada.sockets.append(Socket(ada.post("/api/connect")[1]["url"]))
    wait_until(lambda: room_of(ada, name)["online"] == 1, "she is back in the room")


def test_joining_without_a_socket_leaves_nobody_in_the_channel(enter):
    ada, name = enter("Ada"), new_name("Tea")
    ada.post("/api/rooms", name=name)
    assert room_of(ada, name)["online"] == 0


@pytest.mark.parametrize(
    "fields, status",
    [
        ({"name": ""}, 400),
        ({"name": "x" * 41}, 400),
        ({"name": "a\x00b"}, 400),
        ({"name": "Lobby"}, 409),
        ({"name": "Tea", "topic": "x" * 121}, 400),
    ],
)
def test_a_bad_room_is_refused(enter, fields, status):
    assert enter("Ada").post("/api/rooms", **fields)[0] == status


def test_names_and_topics_are_kept_as_they_are(enter):
    ada, name = enter("Ada"), new_name("<script>alert(1)")
    ada.post("/api/rooms", name=name, topic="<img src=x onerror=alert(1)>")
    assert room_of(ada, name)["topic"] == "<img src=x onerror=alert(1)>"


def test_what_there_is_not_is_not_found(enter):
    ada = enter("Ada")
    assert ada.post("/api/rooms/join", name="nowhere")[0] == 404
    assert ada.get("/api/history", user=2**52)[0] == 404
    assert ada.get("/api/files/4711")[0] == 404
    assert ada.get("/api/nothing")[0] == 404


def test_people_see_who_comes_and_goes(enter):
    ada, bob = enter("Ada"), enter("Bob")
    hers = ada.open()

    def bob_as_ada_sees_him():
        people = ada.get("/api/people")[1]["people"]
        return next(person for person in people if person["id"] == bob.id)

    assert not bob_as_ada_sees_him()["online"]
    his = bob.open()
    came = hers.wait_for("presence", id=bob.id, online=True)
    wait_until(lambda: bob_as_ada_sees_him()["since"], "since is noted")
    seen = bob_as_ada_sees_him()
    assert seen["online"] and seen["node"] == came["node"]
    # A second tab is no news.
    bob.open().close()
    his.close()
    went = hers.wait_for("presence", id=bob.id, online=False)
    assert went["since"] is None and bob_as_ada_sees_him()["since"] is None
    assert len([one for one in hers.of("presence") if one["id"] == bob.id]) == 2


def test_pages_are_told_of_changes_twice_a_second_at_the_most(enter):
    ada = enter("Ada")
    hers = ada.open()
    names = [new_name("Tea") for _ in range(20)]
    for name in names:
        ada.post("/api/rooms", name=name)
    # As the last one tells of all that was before.
    wait_until(lambda: hers.of("rooms"), "the bell")
    assert room_of(ada, names[-1])
    assert len(hers.of("rooms")) <= 4
