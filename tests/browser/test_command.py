"""`python -m demo` as a newcomer runs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing

import psutil
import pytest
from playwright.sync_api import expect

from demo.part import ROOT, Part
from demo.parts import redis_part
from demo.redis_server import find_redis_server, free_port
from demo.supervisor import STOP_WITHIN

from .conftest import DEADLINE, Person, start, stop, wait_until


pytestmark = pytest.mark.browser

#: Seconds from the command to a message in another browser, on a fresh machine.
FIRST_MESSAGE_WITHIN = 15.0


class Demo:
    """A running `python -m demo`, and the lines that it printed."""

    def __init__(self, *arguments: str) -> None:
        self.lines: list[str] = []
        self.port = free_port()
        self.relay_ports = [free_port(), free_port()]
        self.part = Part(
            "demo",
            [
                *(sys.executable, "-m", "demo", "--port", str(self.port)),
                *("--relay-ports", ",".join(map(str, self.relay_ports))),
                *arguments,
            ],
            ready=lambda: any(" is ready" in line for line in self.lines),
            show=lambda name, line: self.lines.append(line),
        )
        self.family: list[psutil.Process] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        start(self.part)
        self.family = psutil.Process(self.part.pid).children(recursive=True)

    def signal(self, number: int) -> int | None:
        """Signals the process group, as a terminal does; returns the exit status."""
        os.killpg(self.part.pid, number)
        return self.end()

    def end(self) -> int | None:
        """Waits for the end; nothing and nobody may be left."""
        wait_until(lambda: self.part.status is not None, "the demo ends")
        self.part.join(DEADLINE)
        assert [one for one in self.family if is_alive(one)] == []
        return self.part.status

    def command(self, name: str) -> psutil.Process:
        """Returns the process of the gunicorn master that listens on `name`."""
        return next(one for one in self.family if name in one.cmdline())


def is_alive(process: psutil.Process) -> bool:
    """Tells whether a process still runs; an orphan may wait to be reaped for ever."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def run_demo():
    demos = []

    def run_demo(*arguments):
        demo = Demo(*arguments)
        demos.append(demo)
        demo.start()
        return demo

    yield run_demo
    for demo in demos:
        stop(demo.part)


def run(*arguments):
    """Runs a demo that cannot start."""
    command = [sys.executable, "-m", "demo", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE
    )


def test_it_starts_chats_and_stops_on_ctrl_c(run_demo, browser):
    began_at = time.monotonic()
    demo = run_demo()
    ada, bob = people = [
        Person(browser.new_context(), demo.url, name).open() for name in ("Ada", "Bob")
    ]
    ada.say("does it work?")
    expect(bob.texts.last).to_have_text("does it work?")
    took = time.monotonic() - began_at
    print(f"from the command to the first message: {took:.1f} s")
    assert took < FIRST_MESSAGE_WITHIN
    assert demo.signal(signal.SIGINT) == 0
    for person in people:
        person.expect_state("waiting")
        person.leave()
        assert person.errors == []
    names = [line.split(" | ")[0].rstrip() for line in demo.lines]
    assert set(names) == {"demo", "redis", "relay-1", "relay-2", "webapi"}
    assert not any("Traceback" in line for line in demo.lines)
    # The terminal's signal went to the supervisor only, which ended Redis last.
    assert not any("Handling signal: int" in line for line in demo.lines)
    asked = demo.lines.index("demo    | SIGINT, stopping")
    assert names.index("redis", asked) > max(
        index for index, name in enumerate(names) if name.startswith("relay")
    )
    assert demo.lines[-1] == "demo    | stopped"


def test_a_button_restarts_the_webapi_and_every_socket_stays(run_demo, browser):
    demo = run_demo()
    ada, bob = people = [
        Person(browser.new_context(), demo.url, name).open() for name in ("Ada", "Bob")
    ]
    ada.page.locator("#drawing-toggle").click()
    process = ada.page.locator("[data-part=webapi] .small")
    expect(process).to_contain_text("process")
    before = process.text_content()
    ada.page.get_by_role("button", name="Restart the WebApi").click()
    expect(ada.page.locator(".news")).to_contain_text("no socket was closed")
    assert process.text_content() != before
    ada.say("through the new one")
    expect(bob.texts.last).to_have_text("through the new one")
    for person in people:
        assert [socket.is_closed() for socket in person.sockets] == [False]
        person.leave()


def test_it_stops_on_sigterm(run_demo):
    assert run_demo().signal(signal.SIGTERM) == 0


def test_a_second_signal_ends_everything_at_once(run_demo):
    demo = run_demo()
    # A part that cannot react.
    demo.command(f"127.0.0.1:{demo.relay_ports[0]}").suspend()
    os.killpg(demo.part.pid, signal.SIGINT)
    wait_until(lambda: any("stopping" in line for line in demo.lines), "it stops")
    asked_at = time.monotonic()
    assert demo.signal(signal.SIGINT) == 0
    assert time.monotonic() - asked_at < STOP_WITHIN / 2


def test_it_stops_when_a_part_dies(run_demo):
    demo = run_demo()
    demo.command(f"127.0.0.1:{demo.relay_ports[1]}").kill()
    assert demo.end() == 1
    assert "demo    | relay-2 ended (status -9), stopping" in demo.lines


def test_it_uses_the_redis_it_is_given(run_demo, tmp_path):
    port = free_port()
    redis = redis_part(find_redis_server(), port, str(tmp_path))
    try:
        start(redis)
        demo = run_demo("--redis", f"redis://127.0.0.1:{port}/3")
        assert not any(line.startswith("redis") for line in demo.lines)
        assert demo.signal(signal.SIGINT) == 0
        assert redis.status is None
    finally:
        stop(redis)


@pytest.mark.parametrize("option", ["--port", "--relay-ports"])
def test_a_taken_port_is_named_before_anything_starts(option):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        taken = str(listener.getsockname()[1])
        ports = {"--port": str(free_port()), "--relay-ports": str(free_port())}
        ports[option] = taken
        ended = run(*(word for pair in ports.items() for word in pair))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert f"port {taken} " in ended.stderr and f"{option} N" in ended.stderr


def test_an_unreachable_redis_is_named_without_its_password():
    address = f"127.0.0.1:{free_port()}"
    ports = ["--port", str(free_port()), "--relay-ports", str(free_port())]
    ended = run(*ports, "--redis", f"redis://user:secret@{address}/0")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert address in ended.stderr and "secret" not in ended.stderr


@pytest.mark.parametrize(
    "url", ["http://example.com", "redis://:sec/ret@127.0.0.1:1/0", "secret"]
)
def test_a_redis_url_that_cannot_be_read_is_not_shown(url):
    ports = ["--port", str(free_port()), "--relay-ports", str(free_port())]
    ended = run(*ports, "--redis", url)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert url not in ended.stderr and "sec" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "0"], "'0' is not a port"),
        (["--port", "web"], "'web' is not a port"),
        (["--relay-ports", "7001,7001"], "names a port twice"),
        (["--port", "7001", "--relay-ports", "7001"], "port 7001 is both"),
        (["--host", "0.0.0.0"], "not an address that browsers can connect to"),
        (["--host", "192.0.2.1"], "not an address of this machine"),
    ],
)
def test_options_that_cannot_be_used_are_explained(arguments, said):
    ended = run(*arguments)
    assert ended.returncode == 2
    assert said in ended.stderr.splitlines()[-1]


def test_without_the_demo_extra_one_line_says_what_to_install():
    # `-S` leaves out everything that was installed.
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ISOLATED, str(ROOT)],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert "pip install 'freeim[demo]'" in ended.stderr


ISOLATED = """
import runpy, sys
sys.path.insert(0, sys.argv.pop())
runpy.run_module("demo", run_name="__main__", alter_sys=True)
"""
