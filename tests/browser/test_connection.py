"""The page's connection, which is `freeim.js`: what it does when parts go away."""

from __future__ import annotations

import gzip

import pytest
from playwright.sync_api import expect

from demo.flask_webapi import STATIC
from tests.running import wait_until


pytestmark = pytest.mark.browser

#: Bytes of freeim.js as a browser loads it, compressed.
MOST_BYTES = 3 * 1024


def are_closed(person):
    """Tells of each socket that the page ever had whether it is closed."""
    # What happened is only noted while the browser is asked something.
    person.page.evaluate("0")
    return [socket.is_closed() for socket in person.sockets]


def test_the_client_to_copy_is_small():
    size = len(gzip.compress((STATIC / "freeim.js").read_bytes(), mtime=0))
    print(f"freeim.js: {size} bytes compressed")
    assert size < MOST_BYTES


def test_nothing_is_lost_or_doubled_while_a_relay_is_away_and_comes_back(
    friends, cluster
):
    ada, bob = friends
    index = bob.id % 2
    wanted = [f"message {number}" for number in range(50)]
    for text in wanted[:15]:
        ada.say(text)
    cluster.kill_relay(index)
    bob.expect_state("waiting")
    for text in wanted[15:30]:
        ada.say(text)
    cluster.start_relay(index)
    for text in wanted[30:]:
        ada.say(text)
    bob.expect_state("open")
    expect(bob.texts).to_have_text(wanted)
    expect(ada.texts).to_have_text(wanted)
    # The other user's node went on; her socket is the first one.
    assert are_closed(ada) == [False]
    assert are_closed(bob)[0] and not are_closed(bob)[-1]


def test_a_message_of_a_room_is_not_lost_while_a_page_was_away(friends):
    ada, bob = friends
    for person in friends:
        person.choose("Lobby")
    bob.context.set_offline(True)
    bob.expect_state("waiting")
    wanted = [f"{ada.name} says {number}" for number in range(10)]
    for text in wanted:
        ada.say(text)
    expect(ada.texts.last).to_have_text(wanted[-1])
    bob.context.set_offline(False)
    bob.expect_state("open")
    ours = bob.page.locator("#messages .text", has_text=ada.name)
    expect(ours).to_have_text(wanted)
    ada.say(f"{ada.name} is heard again")
    expect(ours).to_have_text([*wanted, f"{ada.name} is heard again"])


def test_what_is_written_without_a_network_is_sent_once_it_is_back(friends):
    ada, bob = friends
    ada.context.set_offline(True)
    for number in range(3):
        ada.say(f"line {number}")
    expect(ada.marks).to_have_text(["sending"] * 3)
    expect(bob.texts).to_have_count(0)
    ada.context.set_offline(False)
    expect(bob.texts).to_have_text(["line 0", "line 1", "line 2"])
    expect(ada.marks).to_have_text(["delivered"] * 3)
    expect(ada.texts).to_have_count(3)


def test_no_socket_drops_when_the_webapi_is_killed_and_comes_back(friends, cluster):
    ada, bob = friends
    ada.page.locator("#drawing-toggle").click()
    expect(ada.page.locator("[data-part=webapi] .small")).to_contain_text("process")
    cluster.kill_webapi()
    ada.say("written while it was away")
    expect(ada.marks).to_have_text(["sending"])
    cluster.start_webapi()
    expect(bob.texts).to_have_text(["written while it was away"])
    expect(ada.marks).to_have_text(["delivered"])
    expect(ada.page.locator(".news")).to_contain_text("no socket was closed")
    for person in friends:
        person.expect_state("open")
        assert are_closed(person) == [False]


def test_a_refused_token_makes_the_page_ask_for_another(enter, cluster):
    ada = enter("Ada")
    asked = []

    def refuse_twice(route):
        asked.append(route.request.url)
        if len(asked) > 2:
            return route.continue_()
        server = cluster.servers[0]
        return route.fulfill(json={"url": f"ws://{server}/ws?token={'0' * 128}"})

    ada.page.route("**/api/connect", refuse_twice)
    ada.page.reload()
    ada.expect_state("open")
    assert len(asked) == 3
    assert are_closed(ada)[-3:] == [True, True, False]


def test_the_sub_protocols_of_the_answer_are_offered(enter):
    ada = enter("Ada")
    ada.page.route(
        "**/api/connect",
        lambda route: route.fulfill(
            json={**route.fetch().json(), "protocols": ["freeim.v2", "t.abc"]}
        ),
    )
    ada.page.add_init_script(
        """const Real = WebSocket;
        WebSocket = class extends Real {
            constructor(url, protocols) {
                super(url);
                globalThis.offered = protocols;
            }
        }"""
    )
    ada.page.reload()
    ada.expect_state("open")
    assert ada.page.evaluate("offered") == ["freeim.v2", "t.abc"]


def test_a_machine_that_slept_gets_a_new_socket(enter):
    ada = enter("Ada")
    ada.page.clock.install()
    ada.page.reload()
    ada.expect_state("open")
    before = len(ada.sockets)
    ada.page.clock.run_for(20_000)
    assert len(ada.sockets) == before
    # All timers that are due fire once at most, as after a sleep.
    with ada.page.expect_websocket():
        ada.page.clock.fast_forward(3600_000)
    ada.expect_state("open")
    wait_until(lambda: are_closed(ada)[-2:] == [True, False], "one is left")


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


def test_pauses_are_random_between_nothing_and_a_bound_that_doubles(enter):
    pauses = enter("Ada").page.evaluate(
        """async () => {
            const { pauseBefore } = await import('/freeim.js');
            const attempts = [0, 1, 2, 3, 20];
            return attempts.map((n) => [pauseBefore(n, 0), pauseBefore(n, 1)]);
        }"""
    )
    assert pauses == [[0, 1], [0, 2], [0, 4], [0, 8], [0, 30]]
