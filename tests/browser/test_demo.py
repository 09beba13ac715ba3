"""The demo's page in Chromium, over real processes: what people see."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import expect


pytestmark = pytest.mark.browser


@pytest.fixture
def three(enter):
    """Three people in the lobby, who see each other."""
    people = [enter("Ada"), enter("Bob"), enter("Eve")]
    expect_heads(people, {"Lobby": 3, "Everyone": 3})
    return people


def expect_heads(people, rooms):
    """Waits until each of the people sees these head counts."""
    for person in people:
        for room, heads in rooms.items():
            expect(person.heads(room)).to_have_text(str(heads))


def expect_last(people, text):
    """Waits until each of the people sees this text as the newest."""
    for person in people:
        expect(person.texts.last).to_have_text(text)


def test_everybody_in_a_room_sees_its_messages(three, cluster):
    ada, bob, _ = three
    ada.say("hello, room")
    expect_last(three, "hello, room")
    bob.say("你好,Ada")
    expect_last(three, "你好,Ada")
    for person in three:
        expect(person.people).to_have_text(
            sorted(
                [f"{one.nick} (you)" if one is person else one.nick for one in three],
                key=lambda name: (not name.endswith("(you)"), name),
            )
        )
    assert cluster.heads() == {"Lobby": 3}


def test_a_room_counts_those_who_enter_and_leave_it(three, cluster):
    ada, bob, eve = three
    ada.create_room("Tea")
    expect_heads(three, {"Tea": 1, "Lobby": 3})
    bob.choose("Tea")
    expect_heads(three, {"Tea": 2, "Lobby": 3})
    expect(ada.texts.last).to_have_text("Bob came in")
    bob.say("only for us")
    expect_last([ada, bob], "only for us")
    bob.page.get_by_role("button", name="Leave").click()
    expect_heads(three, {"Tea": 1, "Lobby": 3})
    # Eve was never in the room; whatever came to her came before this.
    ada.choose("Lobby")
    ada.say("after tea")
    expect(eve.texts).to_have_text(["after tea"])
    ada.leave()
    expect_heads([bob, eve], {"Lobby": 2, "Everyone": 2})
    for person in (bob, eve):
        expect(person.row("Tea")).to_have_count(0)
    assert cluster.heads() == {"Lobby": 2}


def test_a_direct_message_reaches_its_receiver_only_and_is_marked(three):
    ada, bob, eve = three
    ada.choose("Bob")
    ada.say("for your eyes")
    expect(ada.texts).to_have_text(["for your eyes"])
    expect(ada.receipts).to_have_text(["delivered"])
    expect(bob.unread("Ada")).to_have_text("1")
    bob.choose("Ada")
    expect(bob.texts).to_have_text(["for your eyes"])
    expect(bob.unread("Ada")).to_be_hidden()
    # Published later by the same WebApi: what Eve has not got by now never comes.
    ada.choose("Lobby")
    ada.say("for all eyes")
    expect(eve.texts).to_have_text(["for all eyes"])
    expect(eve.unread("Ada")).to_be_hidden()
    eve.choose("Ada")
    expect(eve.texts).to_have_count(0)


def test_a_direct_message_to_somebody_who_left_is_marked_offline(three):
    ada, bob, eve = three
    ada.choose("Bob")
    ada.say("still there?")
    expect(ada.receipts).to_have_text(["delivered"])
    bob.leave()
    expect(ada.page.locator("#talk-hint")).to_have_text("offline")
    expect_heads([ada, eve], {"Lobby": 2, "Everyone": 2})
    ada.say("gone")
    expect(ada.receipts).to_have_text(["delivered", "offline"])


def test_a_broadcast_reaches_everybody_in_whatever_room(three):
    ada, bob, eve = three
    eve.create_room("Far away")
    expect_heads(three, {"Far away": 1})
    ada.choose("Everyone")
    ada.say("dinner is ready")
    for person in (bob, eve):
        expect(person.unread("Everyone")).to_have_text("1")
        person.choose("Everyone")
    expect_last(three, "dinner is ready")


def test_a_kicked_page_says_so_and_stays_away_until_asked_back(enter, cluster):
    ada, bob, eve = three = [enter("Ada"), enter("Bob"), enter("Eve")]
    expect_heads(three, {"Lobby": 3, "Everyone": 3})
    bob.page.clock.install()
    requests = []
    bob.page.on("request", lambda request: requests.append(request.url))
    ada.kick("Bob")
    expect(bob.page.get_by_role("alert")).to_contain_text("You were sent away.")
    expect(bob.state).to_have_text("disconnected")
    expect_heads([ada, eve], {"Lobby": 2, "Everyone": 2})
    expect(ada.row("Bob")).to_have_count(0)
    # Longer than any pause before another attempt.
    requests.clear()
    bob.page.clock.run_for(60_000)
    assert requests == []
    assert [socket.is_closed() for socket in bob.sockets] == [True]

    bob.page.get_by_role("button", name="Reconnect").click()
    expect(bob.state).to_have_text("online")
    expect_heads(three, {"Lobby": 3, "Everyone": 3})
    bob.say("here again")
    expect_last(three, "here again")


def test_no_socket_drops_when_the_webapi_is_killed_and_restarted(three, cluster, enter):
    ada, bob, eve = three
    cluster.kill_webapi()
    ada.say("anybody?")
    expect(ada.page.locator("#problem")).to_contain_text("does not answer")
    cluster.start_webapi()
    # The text was kept.
    ada.page.get_by_role("button", name="Send", exact=True).click()
    expect_last(three, "anybody?")
    expect(ada.page.locator("#problem")).to_be_hidden()
    eve.say("nothing happened here")
    expect_last(three, "nothing happened here")
    # Who comes now learns who was there before, and how many.
    dan = enter("Dan")
    expect_heads([*three, dan], {"Lobby": 4, "Everyone": 4})
    expect(dan.people).to_have_text(["Dan (you)", "Ada", "Bob", "Eve"])
    for person in three:
        expect(person.state).to_have_text("online")
        assert [socket.is_closed() for socket in person.sockets] == [False]


def test_pages_return_to_their_rooms_when_their_relay_restarts(three, cluster):
    ada, bob, eve = three
    # 1001 and 1003 are at the second node, 1002 is at the first.
    cluster.stop_relay(1)
    for person in (ada, eve):
        expect(person.state).to_contain_text("offline")
    expect_heads([bob], {"Lobby": 1, "Everyone": 1})
    cluster.start_relay(1)
    expect_heads(three, {"Lobby": 3, "Everyone": 3})
    eve.say("back again")
    expect_last(three, "back again")
    assert len(bob.sockets) == 1 and not bob.sockets[0].is_closed()
    for person in (ada, eve):
        # Attempts that came too early failed.
        *earlier, last = [socket.is_closed() for socket in person.sockets]
        assert earlier and all(earlier) and not last


def test_a_reloaded_page_is_the_same_person_in_the_same_rooms(three):
    ada, bob, _ = three
    ada.create_room("Tea")
    expect_heads(three, {"Tea": 1})
    ada.page.reload()
    expect(ada.state).to_have_text("online")
    expect_heads(three, {"Tea": 1, "Lobby": 3, "Everyone": 3})
    bob.choose("Ada")
    bob.say("same as before?")
    expect(bob.receipts).to_have_text(["delivered"])


def test_a_new_nick_is_seen_by_all(three):
    ada, bob, eve = three
    ada.page.get_by_title("Change your nick").click()
    ada.page.get_by_label("Your nick").fill("Ada Lovelace")
    ada.page.get_by_role("button", name="Go on").click()
    for person in (bob, eve):
        expect(person.people).to_contain_text(["Ada Lovelace"])


def test_what_people_write_is_never_markup(enter):
    markup = '<img src="x" onerror="document.title=1">'
    eve = enter("<i>Eve</i>")
    ada = enter("Ada")
    eve.create_room(markup)
    ada.choose(markup)
    eve.say(markup)
    expect_last([ada, eve], markup)
    expect(ada.page.locator("#talk-name")).to_have_text(markup)
    expect(ada.people.last).to_have_text("<i>Eve</i>")
    expect(ada.page.locator("main img, nav img, main i, nav i")).to_have_count(0)


def test_a_text_cannot_pass_itself_off_as_a_receipt(three, cluster):
    ada, *_ = three
    ada.choose("Bob")
    # Bob's relay node is away, so there is no receipt.
    cluster.stop_relay(0)
    with ada.page.expect_request("**/ws/send-msg") as sending:
        ada.say("hello?")
    expect(ada.receipts).to_have_text(["sent"])
    (message,) = parse_qs(sending.value.post_data)["message"]
    forged = {"receipt": "发送成功", "content": json.dumps(message)}
    cluster.ask("/ws/send-broadcast", message=json.dumps(forged))
    ada.choose("Lobby")
    ada.say("later")
    expect_last([ada], "later")
    ada.choose("Bob")
    expect(ada.receipts).to_have_text(["sent"])
    cluster.start_relay(0)


def test_the_page_fits_a_phone(enter):
    ada = enter("Ada", viewport={"width": 360, "height": 640}, has_touch=True)
    assert sideways(ada, "html", "#messages", "nav") == []
    ada.say("w" * 200)
    expect_last([ada], "w" * 200)
    assert sideways(ada, "html", "#messages", "nav") == []
    ada.page.get_by_role("button", name="All conversations").click()
    expect(ada.heads("Lobby")).to_have_text("1")
    expect(ada.texts.last).to_be_hidden()
    assert sideways(ada, "html", "#messages", "nav") == []


def sideways(person, *selectors):
    """Returns those elements that have to be scrolled sideways."""
    return person.page.evaluate(
        """(selectors) => selectors.filter((selector) => {
            const element = document.querySelector(selector);
            return element.scrollWidth > element.clientWidth;
        })""",
        selectors,
    )


def test_close_codes_say_by_their_range_whether_to_come_back(enter):
    final = [1000, 1002, 1007, 1008, 1009, 4400, 4401, 4410, 4499]
    come_back = [1001, 1005, 1006, 1011, 1012, 1013, 4399, 4500, 4508, 4599]
    said = enter("Ada").page.evaluate(
        """async (codes) => {
            const { isFinal } = await import('/freeim.js');
            return codes.filter(isFinal);
        }""",
        final + come_back,
    )
    assert said == final


def test_pauses_between_attempts_double_up_to_a_bound(enter):
    pauses = enter("Ada").page.evaluate(
        """async () => {
            const { pauseBefore } = await import('/freeim.js');
            const attempts = [0, 1, 2, 3, 20];
            return attempts.map((n) => [pauseBefore(n, 0), pauseBefore(n, 1)]);
        }"""
    )
    assert pauses == [[0.25, 0.5], [0.5, 1], [1, 2], [2, 4], [15, 30]]


def test_picture_of_three_browsers(enter, browser, screenshots):
    window = {"viewport": {"width": 600, "height": 560}, "device_scale_factor": 2}
    ada = enter("Ada", **window)
    bob = enter("Bob", **window)
    eve = enter("晓雯", color_scheme="dark", **window)
    people = [ada, bob, eve]
    bob.create_room("Tea kitchen")
    bob.choose("Lobby")
    expect_heads(people, {"Lobby": 3, "Tea kitchen": 1})
    for person, text in (
        (ada, "Good morning! The WebApi was deployed again, did you notice?"),
        (bob, "No. My socket has been open since Monday."),
        (eve, "我这边也没有断线。"),
        (ada, "Ten deployments, and nobody dropped."),
    ):
        person.say(text)
        expect_last(people, text)
    ada.choose("Bob")
    for sender, text in (
        (ada, "Lunch at noon?"),
        (bob, "Gladly. The kitchen is out of tea, by the way."),
        (ada, "I bring some, and tell everybody."),
    ):
        sender.say(text)
        expect_last([sender], text)
        expect(sender.receipts.last).to_have_text("delivered")
        bob.choose("Ada")
        expect_last([ada, bob], text)
    bob.choose("Lobby")
    eve.choose("Everyone")
    eve.say("Tea at four, in the kitchen.")
    expect(bob.unread("Everyone")).to_have_text("1")
    eve.choose("Lobby")

    images = [base64.b64encode(person.page.screenshot()).decode() for person in people]
    frames = "".join(
        f'<img src="data:image/png;base64,{image}" width="600">' for image in images
    )
    context = browser.new_context(
        viewport={"width": 1920, "height": 620}, device_scale_factor=1.25
    )
    page = context.new_page()
    page.set_content(
        "<body style='margin:0;display:flex;gap:30px;padding:30px;background:#c9cfdd'>"
        "<style>img{border-radius:12px;box-shadow:0 8px 30px #0004}</style>" + frames
    )
    page.screenshot(path=f"{screenshots}/three-browsers.png")
    context.close()
