"""How the page looks, on phones and desktops, in both themes; and who can use it."""

from __future__ import annotations

import base64
import io

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

from .conftest import Cluster


pytestmark = pytest.mark.browser

DESKTOP = {"viewport": {"width": 1240, "height": 780}}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A system of its own: the pictures show nobody of other tests."""
    cluster = Cluster(str(tmp_path_factory.mktemp("looks")))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


#: axe's grades that count as faults.
SERIOUS = ("serious", "critical")


def faults_of(page):
    """Returns what axe finds serious, in its own words."""
    found = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {node['html'][:150]} {node['failureSummary'][:200]}"
        for fault in found
        if fault["impact"] in SERIOUS
        for node in fault["nodes"]
    ]


def save(page, path, colours=128):
    """Keeps a picture of the page, small enough for a repository."""
    image = Image.open(io.BytesIO(page.screenshot()))
    image = image.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    image.save(path, optimize=True)


def converse(ada, bob):
    """Fills a conversation and the lobby with something to see."""
    people = (ada, bob)
    for person in people:
        person.choose("Lobby")
    for person, text in (
        (ada, "Good morning! The WebApi was deployed again, did you notice?"),
        (bob, "No. My socket has been open since Monday."),
    ):
        say(person, text, people)
    ada.befriend(bob)
    for person, text in (
        (ada, "Lunch at noon?"),
        (bob, "Gladly. The kitchen is out of tea, by the way."),
        (ada, "I bring some, and tell everybody.\n下午四点,厨房见。"),
    ):
        say(person, text, people)
    bob.attach("tea-list.pdf", bytes(48_000))
    expect(ada.texts.last).to_have_text("tea-list.pdf")


def say(person, text, people):
    """Says something, and waits until all have it."""
    person.say(text)
    for one in people:
        expect(one.texts.last).to_have_text(text)


def test_picture_of_three_browsers(enter, browser, screenshots):
    sizes = [(1080, 680), (880, 680), (360, 680)]
    windows = [
        {
            "viewport": {"width": width, "height": height},
            "device_scale_factor": 1.5,
            "reduced_motion": "reduce",
        }
        for width, height in sizes
    ]
    ada = enter("Ada", numbered=False, **windows[0])
    bob = enter("Bo", numbered=False, color_scheme="dark", **windows[1])
    eve = enter("晓雯", numbered=False, locale="zh-CN", **windows[2])
    converse(ada, bob)
    eve.choose("Lobby")
    eve.say("我这边也没有断线。")
    expect(eve.texts.last).to_have_text("我这边也没有断线。")
    ada.page.locator("#drawing-toggle").click()
    expect(ada.page.locator("[data-part=webapi] .small")).to_contain_text("process")
    say(ada, "See you there!", (ada, bob))
    expect(ada.page.locator(".steps [data-step=receipt]")).to_be_visible()
    expect(ada.texts.last).to_be_in_viewport()
    images = [
        (base64.b64encode(person.page.screenshot()).decode(), width)
        for person, (width, _) in zip((ada, bob, eve), sizes)
    ]
    frames = "".join(
        f'<img src="data:image/png;base64,{image}" width="{width}">'
        for image, width in images
    )
    context = browser.new_context(
        viewport={"width": 2440, "height": 740}, device_scale_factor=0.8
    )
    page = context.new_page()
    page.set_content(
        "<body style='margin:0;display:flex;gap:30px;padding:30px;background:#c6d2cd'>"
        "<style>img{border-radius:14px;box-shadow:0 8px 30px #0004}</style>" + frames
    )
    save(page, screenshots / "three-browsers.png", colours=256)
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_desktops_and_phones_can_be_used_by_everybody(enter, theme, screenshots):
    # The page allows no foreign script; axe is one.
    window = {"color_scheme": theme, "bypass_csp": True, "reduced_motion": "reduce"}
    names = {"light": ("Grace", "Lin"), "dark": ("Noor", "Jan")}[theme]
    ada = enter(names[0], numbered=False, **DESKTOP, **window)
    bob = enter(names[1], numbered=False, **PHONE, **window, device_scale_factor=2)
    converse(ada, bob)
    ada.page.locator("#drawing-toggle").click()
    expect(ada.page.locator("[data-part=webapi] .small")).to_contain_text("process")
    expect(ada.page.locator("[data-guest]")).not_to_have_count(0)
    faults = faults_of(ada.page)
    save(ada.page, screenshots / f"desktop-{theme}.png")
    faults += faults_of(bob.page)
    assert sideways(bob) == []
    save(bob.page, screenshots / f"phone-{theme}.png")
    bob.page.locator("#back").click()
    faults += faults_of(bob.page)
    assert sideways(bob) == []
    save(bob.page, screenshots / f"phone-list-{theme}.png")
    bob.page.locator("#new-room").click()
    faults += faults_of(bob.page)
    bob.page.locator("#dialog .quiet").click()
    ada.page.locator("#sign-out").click()
    expect(ada.page.locator("#sign-in")).to_be_visible()
    faults += faults_of(ada.page)
    assert faults == []


def test_a_long_word_does_not_make_the_page_wider(friends):
    ada, _ = friends
    ada.page.set_viewport_size({"width": 360, "height": 640})
    ada.say("w" * 300)
    expect(ada.texts.last).to_have_text("w" * 300)
    assert sideways(ada) == []
    ada.page.locator("#drawing-toggle").click()
    expect(ada.page.locator(".plan .title").first).to_be_visible()
    assert sideways(ada) == []


def sideways(person):
    """Returns those elements that have to be scrolled sideways."""
    return person.page.evaluate(
        """() => ["html", "#scroll", ".lists", "#drawing"].filter((selector) => {
            const element = document.querySelector(selector);
            return element.scrollWidth > element.clientWidth;
        })"""
    )


def test_everything_can_be_done_with_the_keyboard(enter):
    bob = enter("Bob")
    ada = enter("Ada")
    page = ada.page

    def focused():
        return page.evaluate(
            "() => document.activeElement.innerText || document.activeElement.id"
        )

    # The first room is shown, and one can write at once.
    assert focused() == "composer-text"
    page.keyboard.type("typed")
    page.keyboard.press("Enter")
    expect(ada.texts.last).to_have_text("typed")
    # A list is one stop for Tab; the arrow keys walk through it.
    page.locator("#rooms .pick[tabindex='0']").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.closest('ul').id") == "people"
    page.keyboard.press("Home")
    first = focused()
    page.keyboard.press("ArrowDown")
    assert focused() != first
    ada.row(bob.name).locator(".pick").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#talk-name")).to_have_text(bob.name)
    expect(page.locator("#gate button")).to_have_text("Ask to be friends")


def test_a_theme_that_was_chosen_stays(enter):
    ada = enter("Ada", color_scheme="dark")
    html = ada.page.locator("html")
    expect(html).to_have_attribute("data-theme", "dark")
    ada.page.locator("#theme").click()
    expect(html).to_have_attribute("data-theme", "light")
    ada.page.reload()
    expect(html).to_have_attribute("data-theme", "light")
