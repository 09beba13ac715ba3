"""The three examples of the article, and what else the page is for, in Chromium."""

from __future__ import annotations

import re
import urllib.request

import pytest
from playwright.sync_api import expect

from ..running import wait_until
from .throttle import slow_upload


pytestmark = pytest.mark.browser

MARKUP = '<img src=x onerror="document.title=1"><script>alert(1)</script>'


def expect_last(people, text):
    """Waits until each of the people sees this text as the newest."""
    for person in people:
        expect(person.texts.last).to_have_text(text)


def test_a_writes_to_a_friend_and_sees_the_mark_of_each_state(enter):
    ada, bob, eve = enter("Ada"), enter("Bob"), enter("Eve")
    ada.choose(bob.name)
    expect(ada.page.locator("#composer")).to_be_hidden()
    ada.befriend(bob)
    bob.choose("Lobby")
    ada.say("for your eyes")
    expect(ada.marks).to_have_text(["delivered"])
    expect(bob.unread(ada.name)).to_have_text("1")
    expect(bob.page).to_have_title("(1) FreeIM")
    bob.choose(ada.name)
    expect(bob.texts).to_have_text(["for your eyes"])
    expect(bob.unread(ada.name)).to_have_count(0)
    # Published later by the same WebApi: what Eve has not got by now never comes.
    ada.choose("Lobby")
    ada.say("for all eyes")
    expect_last([eve], "for all eyes")
    expect(eve.unread(ada.name)).to_have_count(0)

    ada.choose(bob.name)
    bob.leave()
    expect(ada.page.locator("#talk-hint")).to_have_text("offline")
    ada.say("gone?")
    expect(ada.marks).to_have_text(["delivered", "offline"])
    ada.page.reload()
    ada.choose(bob.name)
    expect(ada.marks).to_have_text(["delivered", "offline"])


def test_what_is_written_in_one_tab_appears_in_the_others(friends):
    ada, bob = friends
    other = ada.tab()
    other.choose(bob.name)
    ada.say("from the first tab")
    expect(other.texts).to_have_text(["from the first tab"])
    expect(other.marks).to_have_text(["delivered"])
    other.choose("Lobby")
    bob.say("to both")
    expect_last([ada], "to both")
    # Read in one tab is read in all.
    expect(other.unread(bob.name)).to_have_count(0)
    other.say("into the room")
    ada.choose("Lobby")
    expect_last([ada, other], "into the room")


def test_history_is_read_page_by_page_while_one_scrolls_up(friends):
    ada, bob = friends
    bob_id = bob.id
    for number in range(75):
        asked = {"to": {"user": bob_id}, "text": f"line {number}", "key": f"k{number}"}
        assert ada.post("/api/send", asked)[0] == 200
    bob.page.reload()
    bob.choose(ada.name)
    expect(bob.texts).to_have_count(50)
    expect_last([bob], "line 74")
    expect(bob.texts.last).to_be_in_viewport()
    bob.page.locator("#scroll").evaluate("(log) => log.scrollTo(0, 0)")
    expect(bob.texts).to_have_text([f"line {number}" for number in range(75)])
    # What was at the top is still where it was.
    expect(bob.texts.nth(25)).to_be_in_viewport()
    expect(bob.page.locator("#older")).to_be_hidden()


def test_a_file_shows_its_progress_and_then_the_link(friends, enter, cluster):
    ada, bob = friends
    content = bytes(range(256)) * 4096
    with slow_upload(ada.page, bytes_per_second=400_000):
        ada.attach("report.pdf", content)
        row = bob.page.locator(".transfer")
        expect(row).to_have_text(
            re.compile(rf"{ada.name} is sending report\.pdf … [1-9]\d? %")
        )
        expect(ada.page.locator(".transfer progress")).to_be_visible()
    for person in (ada, bob):
        expect(person.page.locator(".transfer")).to_have_count(0)
        expect(person.texts).to_have_text(["report.pdf"])
    expect(ada.marks).to_have_text(["delivered"])
    with bob.page.expect_download() as downloading:
        bob.page.locator("a.file").click()
    assert downloading.value.suggested_filename == "report.pdf"
    assert downloading.value.path().read_bytes() == content

    link = bob.page.locator("a.file").evaluate("(link) => link.href")
    eve = enter("Eve")
    statuses = [
        person.page.evaluate("async (link) => (await fetch(link)).status", link)
        for person in (ada, bob, eve)
    ]
    assert statuses == [200, 200, 403]
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(link)
    with refused.value:
        assert refused.value.code == 401


def test_a_broken_upload_is_shown_on_both_sides(friends):
    ada, bob = friends
    with slow_upload(ada.page, bytes_per_second=200_000):
        ada.attach("film.mp4", bytes(1_000_000))
        expect(bob.page.locator(".transfer")).to_contain_text("is sending film.mp4")
        ada.page.locator(".transfer").get_by_role("button", name="Cancel").click()
        expect(ada.page.locator(".transfer")).to_contain_text("film.mp4 was not sent")
        expect(bob.page.locator(".transfer.broken")).to_contain_text(
            f"{ada.name} could not finish sending film.mp4"
        )
    for person in (ada, bob):
        expect(person.texts).to_have_count(0)


def test_a_room_has_a_topic_members_and_those_who_are_there(enter):
    ada, bob = enter("Ada"), enter("Bob")
    room = f"Tea of {ada.name}"
    ada.create_room(room, "Leaves only")
    expect(ada.heads(room)).to_have_text("1")
    bob.choose(room)
    expect(bob.page.locator("#talk-hint")).to_have_text(
        "Leaves only · 1 member · 1 here"
    )
    bob.press("Join")
    for person in (ada, bob):
        expect(person.heads(room)).to_have_text("2")
    bob.say("only for us")
    expect_last([ada, bob], "only for us")
    bob.page.get_by_role("button", name=f"Members of {room}").click()
    expect(bob.page.locator("dialog .name")).to_have_text([ada.name, bob.name])
    bob.page.locator("dialog").get_by_role("button", name="Close").click()
    bob.press("Leave")
    expect(ada.heads(room)).to_have_text("1")
    ada.leave()
    expect(bob.heads(room)).to_have_text("0")


def test_a_broadcast_is_a_banner_for_everybody(enter):
    ada, bob = enter("Ada"), enter("Bob")
    admin = enter("admin", numbered=False)
    admin.page.locator("#broadcast").click()
    admin.page.locator("#dialog input").fill("dinner is ready")
    admin.page.locator("#dialog .main").click()
    for person in (ada, bob):
        banner = person.page.locator("#notices .notice")
        expect(banner).to_have_text("admin to everybody dinner is ready")
        banner.get_by_role("button", name="Close").click()
        expect(banner).to_have_count(0)
    expect(ada.page.locator("#broadcast")).to_be_hidden()
    assert ada.post("/api/broadcast", {"text": "no"})[0] == 403


def test_a_kicked_page_says_why_and_does_not_come_back(enter):
    ada, bob = enter("Ada"), enter("Bob")
    admin = enter("admin", numbered=False)
    bob.page.clock.install()
    asked = []
    bob.page.on("request", lambda request: asked.append(request.url))
    admin.choose(bob.name)
    admin.press("Send away")
    closed = bob.page.locator("#closed")
    expect(closed).to_contain_text("You were sent away by admin.")
    expect(closed).to_contain_text("does not come back by itself")
    expect(ada.row(bob.name).locator(".dot")).to_have_attribute("data-online", "false")
    # Longer than any pause before another attempt.
    asked.clear()
    bob.page.clock.run_for(120_000)
    assert [url for url in asked if "connect" in url] == []
    assert all(socket.is_closed() for socket in bob.sockets)
    # The WebApi does not let them in at once either, and the page says so.
    bob.page.locator("#reconnect").click()
    expect(closed).to_contain_text("Try again in a minute")
    bob.expect_state("closed")


def test_who_is_online_is_seen_live(enter):
    ada, bob = enter("Ada"), enter("Bob")
    dot = ada.row(bob.name).locator(".dot")
    expect(dot).to_have_attribute("data-online", "true")
    bob.leave()
    expect(dot).to_have_attribute("data-online", "false")


def test_the_sender_is_that_of_the_session_whatever_the_form_says(friends, enter):
    ada, bob = friends
    eve = enter("Eve")
    bob_id, ada_id = bob.id, ada.id
    message = {"to": {"user": bob_id}, "text": "I am Ada", "key": "forged"}
    forged = {**message, "from": {"id": ada_id, "name": ada.name}, "sender": ada_id}
    assert eve.post("/api/send", forged)[0] == 403
    lobby = {**forged, "to": {"room": "Lobby"}}
    status, answer = eve.post("/api/send", lobby)
    assert status == 400 or answer["message"]["from"]["name"] == eve.name
    # Published later by the same WebApi.
    ada.say("the real one")
    expect(bob.texts).to_have_text(["the real one"])


def test_what_people_write_is_never_markup(enter):
    eve, ada = enter("<i>Eve"), enter("Ada")
    room = f"<b>{ada.name}"
    eve.create_room(room, MARKUP)
    eve.say(MARKUP)
    ada.choose(room)
    ada.press("Join")
    expect_last([eve, ada], MARKUP)
    expect(ada.page.locator("#talk-hint")).to_contain_text(MARKUP)
    expect(ada.page.locator(".who")).to_have_text([eve.name])
    eve.befriend(ada)
    eve.attach("<img src=x onerror=alert(1)>.txt", b"x")
    expect(ada.page.locator("a.file .text")).to_contain_text("<img")
    assert ada.page.locator("main i, main b:not(.steps b), main script").count() == 0
    assert ada.page.locator("#talk img, nav img").count() == 0
    expect(ada.page).to_have_title("FreeIM")


def test_who_joins_while_the_rooms_are_being_loaded_sees_what_was_said(enter):
    eve, ada = enter("Eve"), enter("Ada")
    room = f"Busy {ada.name}"
    eve.create_room(room)
    eve.say("before you came")
    expect_last([eve], "before you came")
    ada.choose(room)
    held = []

    def hold(route):
        # The answer of before the joining comes after it.
        if held:
            route.continue_()
        else:
            held.append((route, route.fetch()))

    ada.page.route("**/api/rooms", hold)
    with ada.page.expect_request("**/api/rooms"):
        eve.create_room(f"Other {ada.name}")
    wait_until(lambda: ada.page.evaluate("true") and held, "an answer to hold")
    with ada.page.expect_response("**/api/rooms/join"):
        ada.press("Join")
    ((route, answer),) = held
    route.fulfill(response=answer)
    expect_last([ada], "before you came")


def test_a_room_is_made_once_however_often_one_presses_enter(enter):
    ada = enter("Ada")
    held = []

    def hold(route):
        if route.request.method == "POST":
            held.append(route)
        else:
            route.continue_()

    ada.page.route("**/api/rooms", hold)
    ada.page.locator("#new-room").click()
    name = ada.page.locator("#dialog [name=name]")
    name.fill(f"Haste of {ada.name}")
    for _ in range(3):
        name.press("Enter")
    wait_until(lambda: ada.page.evaluate("true") and held, "a request")
    assert len(held) == 1
    held[0].continue_()
    expect(ada.page.locator("#dialog")).to_be_hidden()
    expect(ada.page.locator("#talk-name")).to_have_text(f"Haste of {ada.name}")
    assert len(held) == 1


def test_the_browser_itself_would_run_no_script_of_a_message(enter):
    ada = enter("Ada")
    said = ada.page.evaluate(
        """() => {
            try { document.querySelector("#messages").innerHTML = "<b>x</b>"; }
            catch (error) { return error.name; }
        }"""
    )
    assert said == "TypeError"


def test_the_page_speaks_the_language_of_the_browser_until_told_otherwise(enter):
    xiaowen = enter("晓雯", locale="zh-CN")
    state = xiaowen.page.locator("#state")
    expect(state).to_have_text("在线")
    expect(xiaowen.page.locator("html")).to_have_attribute("lang", "zh-CN")
    xiaowen.page.locator("#language").click()
    expect(state).to_have_text("online")
    xiaowen.page.reload()
    expect(state).to_have_text("online")


def test_the_drawing_shows_each_step_of_a_message(friends):
    ada, bob = friends
    ada.page.locator("#drawing-toggle").click()
    expect(ada.page.locator(f'[data-guest="{bob.id}"] .name')).to_have_text(
        bob.name[:9]
    )
    ada.say("watch it")
    expect(ada.page.locator(".steps li")).to_have_text(
        [
            re.compile(r"request\s*\d+ ms"),
            "publish ",
            "push ",
            re.compile(r"receipt\s*\d+ ms"),
        ]
    )
