"""Examples 1 and 2: A writes to B, and everybody reads again what was said."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.running import wait_until


def texts(answer):
    return [message["text"] for message in answer[1]["messages"]]


def test_a_friend_hears_it_and_the_sender_gets_a_receipt(friends):
    ada, bob = friends
    hers, his = ada.open(), bob.open()
    message = ada.say(bob, "hello")
    heard = his.wait_for("message")["message"]
    assert heard["id"] == message["id"] and heard["from"] == {
        "id": ada.id,
        "name": ada.name,
    }
    assert "key" not in heard and "state" not in heard

    def receipt():
        return next((one for one in hers.heard if "receipt" in one), None)

    told = wait_until(receipt, "the receipt")
    assert told["receipt"] == "发送成功"
    assert json.loads(told["content"])["message"]["id"] == message["id"]


def test_the_senders_other_tabs_see_it_too(friends):
    ada, bob = friends
    tabs = [ada.open(), ada.open()]
    message = ada.say(bob, "hello")
    for tab in tabs:
        seen = tab.wait_for("message")["message"]
        assert (seen["id"], seen["key"]) == (message["id"], message["key"])


def test_only_friends_may_write(enter):
    ada, eve = enter("Ada"), enter("Eve")
    to = {"user": ada.id}
    refused = eve.post("/api/send", to=to, text="hello", key="1")
    assert (refused[0], refused[1]["code"]) == (403, "not_friends")
    # To have asked is not enough.
    eve.post("/api/friends/ask", id=ada.id)
    assert eve.post("/api/send", to=to, text="hello", key="1")[0] == 403
    assert eve.post("/api/friends/accept", id=ada.id)[0] == 409
    assert eve.post("/api/send", to=to, text="hello", key="1")[0] == 403
    assert texts(ada.get("/api/missed", after=0)) == []


def test_who_was_a_friend_may_write_no_more(friends):
    ada, bob = friends
    ada.say(bob, "still friends")
    assert bob.post("/api/friends/remove", id=ada.id)[0] == 200
    refused = ada.post("/api/send", to={"user": bob.id}, text="hello?", key="1")
    assert refused[0] == 403
    assert texts(bob.get("/api/history", user=ada.id)) == ["still friends"]


def test_who_asks_somebody_that_asked_is_a_friend(enter):
    ada, bob = enter("Ada"), enter("Bob")
    hears = ada.open()

    def word(one, other):
        people = one.get("/api/people")[1]["people"]
        return next(person["friend"] for person in people if person["id"] == other.id)

    assert word(ada, bob) == "none"
    bob.post("/api/friends/ask", id=ada.id)
    hears.wait_for("friends")
    assert (word(ada, bob), word(bob, ada)) == ("asks", "asked")
    ada.post("/api/friends/ask", id=bob.id)
    assert (word(ada, bob), word(bob, ada)) == ("yes", "yes")


@pytest.mark.parametrize(
    "forged", [{"from": 1}, {"sender": 1}, {"senderWebsocketId": 1}, {"user": 1}]
)
def test_the_sender_is_the_sessions_whatever_the_request_says(friends, forged):
    ada, bob = friends
    _, answer = ada.post("/api/send", to={"user": bob.id}, text="hi", key="1", **forged)
    assert answer["message"]["from"]["id"] == ada.id


def test_nobody_writes_to_oneself(enter):
    ada = enter("Ada")
    refused = ada.post("/api/send", to={"user": ada.id}, text="note", key="1")
    assert (refused[0], refused[1]["code"]) == (400, "yourself")


@pytest.mark.parametrize(
    "fields",
    [
        {"text": ""},
        {"text": " \n"},
        {"text": "x" * 2001},
        {"text": 7},
        {"key": ""},
        {"key": None},
        {"to": None},
        {"to": {}},
        {"to": {"user": True}},
        {"to": {"user": "x"}},
        {"to": {"user": -1}},
        {"to": {"user": 2**53}},
        {"to": {"room": ""}},
    ],
)
def test_a_bad_message_is_refused(friends, fields):
    ada, bob = friends
    good = {"to": {"user": bob.id}, "text": "hi", "key": "1"}
    assert ada.post("/api/send", **{**good, **fields})[0] == 400


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)>",
        "</script><script>alert(1)</script>",
        "'; DROP TABLE message; --",
        "a\u2028b\n\ttabs, 晓雯, 🙂, \u202e",
        "nul \x00 character",
    ],
)
def test_a_text_is_kept_and_pushed_as_it_is(friends, text):
    ada, bob = friends
    his = bob.open()
    ada.say(bob, text)
    assert his.wait_for("message")["message"]["text"] == text
    assert texts(bob.get("/api/history", user=ada.id)) == [text]


def test_a_message_that_is_sent_again_is_stored_once(friends):
    ada, bob = friends
    sent = [ada.say(bob, "once", key="same") for _ in range(3)]
    assert len({message["id"] for message in sent}) == 1
    assert texts(bob.get("/api/history", user=ada.id)) == ["once"]


def test_a_message_that_is_sent_twice_at_a_time_is_stored_once(friends):
    ada, bob = friends
    barrier = threading.Barrier(8)

    def send(_):
        barrier.wait()
        return ada.say(bob, "once", key="same")["id"]

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(send, range(8)))) == 1
    assert texts(bob.get("/api/history", user=ada.id)) == ["once"]


def test_a_key_belongs_to_one_message_of_one_sender(friends):
    ada, bob = friends
    first = ada.say(bob, "first", key="mine")
    for other in ({"text": "second"}, {"to": {"room": "Lobby"}}):
        fields = {"to": {"user": bob.id}, "text": "first", "key": "mine", **other}
        assert ada.post("/api/send", **fields)[0] == 409
    assert bob.say(ada, "first", key="mine")["id"] != first["id"]


def test_history_comes_in_pages_the_newest_first(friends):
    ada, bob = friends
    for number in range(7):
        (ada if number % 2 else bob).say(bob if number % 2 else ada, str(number))
    pages, before, more = [], None, True
    while more:
        query = {"user": ada.id, "limit": 3, **({"before": before} if before else {})}
        _, answer = bob.get("/api/history", **query)
        pages.append([message["text"] for message in answer["messages"]])
        before, more = answer["messages"][0]["id"], answer["more"]
    assert pages == [["4", "5", "6"], ["1", "2", "3"], ["0"]]


def test_history_is_only_ones_own(friends, enter):
    ada, bob = friends
    ada.say(bob, "secret")
    eve = enter("Eve")
    for other in (ada, bob):
        assert texts(eve.get("/api/history", user=other.id)) == []
    assert texts(eve.get("/api/missed", after=0)) == []


def test_missed_is_what_came_after_in_all_conversations(friends, enter):
    ada, bob = friends
    eve = enter("Eve")
    eve.post("/api/friends/ask", id=bob.id)
    bob.post("/api/friends/accept", id=eve.id)
    last = ada.say(bob, "seen")["id"]
    said = [ada.say(bob, "a"), eve.say("Lobby", "b"), eve.say(bob, "c")]
    said.append(bob.say(ada, "d"))
    found, more = [], True
    while more:
        _, answer = bob.get("/api/missed", after=last, limit=2)
        found += [message["id"] for message in answer["messages"]]
        last, more = found[-1], answer["more"]
    assert found == [message["id"] for message in said]
    assert bob.get("/api/missed", after=last)[1] == {"messages": [], "more": False}


def test_nothing_is_lost_while_a_socket_comes_and_goes(friends):
    """Fifty messages to a friend and to a room, while his socket is cut four times."""
    ada, bob = friends
    heard = bob.open()
    sent, seen, last = [], set(), 0

    def send():
        for number in range(50):
            to = bob if number % 2 else "Lobby"
            sent.append(ada.say(to, str(number))["id"])

    sending = threading.Thread(target=send)
    sending.start()
    for cut in range(1, 5):
        wait_until(lambda cut=cut: len(sent) >= cut * 10, "more are sent")
        heard.close()
        seen |= {one["message"]["id"] for one in heard.of("message")}
        heard = bob.open()
        more = True
        while more:
            _, answer = bob.get("/api/missed", after=last)
            ids = [message["id"] for message in answer["messages"]]
            seen |= set(ids)
            last, more = max([last, *ids]), answer["more"]
    sending.join()
    wait_until(
        lambda: (
            set(sent) <= seen | {one["message"]["id"] for one in heard.of("message")}
        ),
        "all of them were heard or fetched",
    )


def test_unread_counts_until_it_is_read_and_the_other_tabs_hear_of_it(friends):
    ada, bob = friends
    tab = bob.open()
    ids = [ada.say(bob, text)["id"] for text in "abc"]
    ada.say("Lobby", "d")
    _, unread = bob.get("/api/unread")
    assert unread["users"] == {str(ada.id): 3} and unread["rooms"]["Lobby"] >= 1
    assert bob.post("/api/read", user=ada.id, id=ids[1])[0] == 200
    assert tab.wait_for("read") == {"type": "read", "user": ada.id, "id": ids[1]}
    assert bob.get("/api/unread")[1]["users"] == {str(ada.id): 1}
    bob.post("/api/read", user=ada.id, id=ids[0])
    assert bob.get("/api/unread")[1]["users"] == {str(ada.id): 1}
    bob.post("/api/read", room="Lobby", id=unread["last"])
    assert "Lobby" not in bob.get("/api/unread")[1]["rooms"]
    assert ada.get("/api/unread")[1]["users"] == {}


def test_what_was_fetched_is_delivered_and_the_sender_hears_of_it(friends):
    ada, bob = friends
    hers = ada.open()
    message = ada.say(bob, "while you were away")
    assert message["state"] == "sent"
    ada.post("/api/receipts", id=message["id"], state="offline")
    assert ada.get("/api/history", user=bob.id)[1]["messages"][0]["state"] == "offline"
    bob.get("/api/missed", after=0)
    hers.wait_for("state", id=message["id"], state="delivered")
    ada.post("/api/receipts", id=message["id"], state="offline")
    told = ada.get("/api/history", user=bob.id)[1]["messages"][0]
    assert told["state"] == "delivered"


def test_a_receipt_is_for_ones_own_message(friends):
    ada, bob = friends
    message = ada.say(bob, "hi")
    for page, status, state in ((bob, 403, "delivered"), (ada, 400, "read")):
        assert page.post("/api/receipts", id=message["id"], state=state)[0] == status
