"""The commands of an operator, against a running system."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from ..running import System, close_code, wait_until
from .commands import FREEIM, Terminal


@pytest.fixture(scope="module")
def system(shared_redis):
    with System(
        shared_redis.url, "freeim relay", ["a", "b"], lease_ttl=2.5, drain_window=0.1
    ) as system:
        yield system


@pytest.fixture
def terminal(system):
    yield Terminal(system)
    system.close_sockets()


def test_online_lists_clients_with_their_sockets(system, terminal):
    for one in (1, 1, 2):
        system.connect(one)
    lines = terminal.run("online").splitlines()
    assert sorted(lines) == ["1\t2", "2\t1"]
    found = terminal.json("online")
    assert sorted(found, key=str) == [
        {"client": 1, "sockets": 2},
        {"client": 2, "sockets": 1},
    ]
    assert terminal.run("online", 1, 2) == "1\t2\n2\t1\n"
    assert terminal.run("online", 2, 3, status=1) == "2\t1\n3\t0\n"

    def numbers():
        answer = terminal.json("online", "--count")
        assert abs(answer.pop("time") - time.time()) < 5
        return answer == {"clients": 2, "sockets": 3, "nodes": 2}

    wait_until(numbers, "both nodes have reported")


def test_online_watches_until_it_is_interrupted(system, terminal):
    watching = terminal.follow("online", "--watch", "--json", "--interval", "0.05")
    wait_until(lambda: len(watching.lines) > 2, "some lines")
    system.connect(1)
    wait_until(lambda: json.loads(watching.lines[-1])["clients"] == 1, "it is seen")
    os.kill(watching.pid, signal.SIGINT)
    wait_until(lambda: watching.status is not None, "it ends")
    assert watching.status == 0


def test_send_reaches_clients_a_channel_and_all(system, terminal):
    first, second = system.connect(1), system.connect(2)
    system.client.join_chan(2, "room")
    assert terminal.run("send", "--to", 1, "hi 你") == "taken by 1 relay process\n"
    assert json.loads(first.recv()) == "hi 你"
    assert terminal.json("send", "--to", 1, "--to", 2, "both") == {"relays": 2}
    assert first.recv() == second.recv() == '"both"'
    terminal.run("send", "--chan", "room", "--raw", '{"a": [1]}')
    assert second.recv() == '{"a":[1]}'
    terminal.run("send", "--broadcast", "-", text="from stdin")
    assert first.recv() == second.recv() == '"from stdin"'
    terminal.run("send", "--to", 2, "--sender", 1, "--receipt", "did it come?")
    assert second.recv() == '"did it come?"'
    assert "发送成功" in first.recv()
    lost = {"FREEIM_SERVERS": "nowhere"}
    assert "taken by 0" in terminal.run("send", "--to", 1, "x", status=1, **lost)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["send", "--to", "x", "hi"], "freeim: invalid client id 'x'"),
        (["send", "--to", "1", "--broadcast", "x"], "one of --to, --chan and --broad"),
        (["send", "x"], "one of --to, --chan and --broadcast"),
        (["send", "--chan", "", "x"], "freeim: invalid channel name ''"),
        (["send", "--broadcast", "--raw", "{"], "--raw: the message is no JSON"),
        (["send", "--to", "1", "--receipt", "x"], "--receipt needs --to and --sender"),
        (["kick", "0"], "freeim: invalid client id '0'"),
        (["kick"], "Missing argument 'CLIENT_ID…'"),
        (["token", "no"], "freeim: invalid client id 'no'"),
        (["chans", "room", "--client", "1"], "not both"),
        (["online", "--watch", "--interval", "0"], "Invalid value for '--interval'"),
        (["online", "--dialect", "v3"], "freeim: --dialect='v3': choose one of"),
        (["dance"], "No such command 'dance'"),
    ],
)
def test_what_cannot_be_used_is_named(terminal, arguments, said):
    assert said in terminal.run(*arguments, status=2)


def test_a_variable_is_named_as_one_and_sets_every_option(system, terminal):
    said = terminal.run("online", status=2, FREEIM_DIALECT="v3")
    assert said.startswith("freeim: FREEIM_DIALECT='v3': choose") and len(said) < 80
    system.connect(1)
    # Its own options, too: FREEIM_COMMAND_OPTION.
    assert "clients 1" in terminal.run("online", FREEIM_ONLINE_COUNT="1")
    assert terminal.run("online", FREEIM_KEY_PREFIX="other:") == ""


@pytest.mark.parametrize("command", ["online", "top", "chans", "check-config"])
def test_a_redis_that_is_away_is_one_line_and_status_3(terminal, command):
    said = terminal.run(command, status=3, FREEIM_REDIS="redis://:hush@127.0.0.1:1")
    assert said.count("\n") == 1 and "hush" not in said
    assert said.startswith("freeim: FREEIM_REDIS='redis://:***@127.0.0.1:1': start ")


def test_kick_closes_and_tells_who_took_it(system, terminal):
    sock = system.connect(1)
    assert terminal.json("kick", 1, 2) == [
        {"client": 1, "relays": 1},
        {"client": 2, "relays": 1},
    ]
    assert close_code(sock) == 4410
    said = terminal.run("kick", 1, status=1, FREEIM_SERVERS="nowhere")
    assert said.split() == ["client", "relays", "1", "0"]


def test_chans_lists_channels_members_and_a_clients(system, terminal):
    for one in (1, 2):
        system.connect(one)
        system.client.join_chan(one, "room")
    system.client.join_chan(1, "聊天")
    assert terminal.json("chans") == [
        {"chan": "room", "members": 2},
        {"chan": "聊天", "members": 1},
    ]
    assert terminal.run("chans").split() == [
        *("chan", "members", "room", "2", "聊天", "1")
    ]
    assert sorted(terminal.json("chans", "room")) == [1, 2]
    assert terminal.json("chans", "--client", 1) == ["room", "聊天"]


def test_events_are_followed_until_a_number_or_an_interrupt(system, terminal):
    channel = system.client.wire.online_channel
    one = terminal.follow("events", "--json", "--limit", 2)
    other = terminal.follow("events", "--every-socket")
    wait_until(
        lambda: system.redis.pubsub_numsub(channel)[0][1] == 2, "both are listening"
    )
    system.connect(1, "the first")
    system.connect(1, "the second")
    system.close_sockets()
    wait_until(lambda: one.status is not None, "it has seen two")
    seen = [json.loads(line) for line in one.lines]
    assert [(it["event"], it["client_id"], it["sockets"]) for it in seen] == [
        ("online", 1, 1),
        ("offline", 1, 0),
    ]
    assert seen[0]["client_meta_data"] == "the first" and one.status == 0
    wait_until(lambda: len(other.lines) == 4, "four lines")
    assert "online   1  sockets 2  the second" in other.lines[1]
    os.kill(other.pid, signal.SIGINT)
    wait_until(lambda: other.status is not None, "it ends")
    assert other.status == 0


def test_a_token_that_is_minted_admits(system, terminal):
    answer = terminal.json("token", 1, "--meta", "by hand")
    assert answer["seconds"] == 10 and answer["url"].startswith("ws://b/ws?token=")
    url = terminal.run("token", 2, FREEIM_PUBLIC_URL="wss://h/{server}?t={token}")
    assert url.startswith("wss://h/a?t=")
    token = url.strip().rpartition("=")[2]
    value = system.redis.get(system.client.wire.token_key(token))
    assert system.client.wire.decode_token(value) == (2, "")


def test_top_shows_each_process_once_or_again(system, terminal):
    system.connect(1)

    def reported():
        rows = {one["server"]: one for one in terminal.json("top", "--once")}
        return rows["b"]["sockets"] == 1 and rows

    rows = wait_until(reported, "b has reported")
    assert rows["a"]["sockets"] == 0
    assert rows["b"]["pid"] == system.nodes[1].pid
    assert 0 < rows["b"]["lease"] <= 2.5 and rows["b"]["gaps"] == 0
    text = terminal.run("top", "--once")
    head, *lines = text.splitlines()
    assert head.split()[:4] == ["node", "process", "up", "sockets"]
    assert [line.split(":")[0] for line in lines[:2]] == ["a", "b"]
    assert lines[2].startswith("2 in all")
    # The variables lead to Redis only: whoever looks need not know the servers.
    assert "2 in all" in terminal.run("top", "--once", FREEIM_SERVERS="")


def test_top_is_live_on_a_terminal(system, terminal):
    pid, screen = pty.fork()
    if pid == 0:
        environ = {**terminal.environ, "TERM": "xterm", "COLUMNS": "200"}
        command = [*FREEIM, "top", "--interval", "0.1"]
        os.execve(sys.executable, command, environ)
    shown = b""
    try:
        while shown.count(b"in all") < 3:
            shown += os.read(screen, 65536)
        os.kill(pid, signal.SIGINT)
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(screen)
    assert os.WEXITSTATUS(status) == 0
    for word in ("queued", "lag ms", f"{system.nodes[0].pid}@"):
        assert word.encode() in shown


def test_check_config_finds_what_nodes_were_told_otherwise(system, terminal):
    wait_until(lambda: len(terminal.json("top", "--once")) == 2, "both have reported")
    lines = terminal.run("check-config", "--server", "a").splitlines()
    assert [line.split()[0] for line in lines if line] == ["ok"] * 5
    found = terminal.json("check-config", status=1, FREEIM_SERVERS="b,a")
    faults = [one["text"] for one in found if one["level"] == "fault"]
    assert len(faults) == 2
    assert "was told servers=a,b, here it is b,a: give all parts the same" in faults[0]
    notes = terminal.json("check-config", status=1, FREEIM_SERVERS="a,b,c")
    assert any("c: no relay runs" in one["text"] for one in notes)
    spread = terminal.json("check-config", status=1, FREEIM_PARTITION="rendezvous")
    assert any("no C# node" in one["text"] for one in spread)
    faults = [one["text"] for one in spread if one["level"] == "fault"]
    assert len(faults) == 2
    assert "told partition=modulo, here it is rendezvous" in faults[0]
    said = terminal.run("check-config", "--server", "x", status=2)
    assert said.startswith("freeim: --server='x': name this node as one of servers")


def test_bench_passes_its_arguments_on(terminal):
    assert "usage: python -m bench" in terminal.run("bench", "--help")


def test_a_reader_that_has_enough_is_no_error(terminal):
    watching = f"{' '.join(FREEIM)} online --watch --interval 0.05"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {watching} | head -2"],
        env={**terminal.environ, "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (1, 2, "")


def python(program):
    """Runs a program; returns its status and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "missing, command, said",
    [
        ("click", ["online"], "freeim: freeim needs click, which is not installed: "),
        ("rich.live", ["top"], "freeim: freeim top needs rich.live, which is not "),
        ("bench", ["bench"], "freeim: the benchmark is not installed with freeim: run"),
    ],
)
def test_what_is_not_installed_is_one_line(system, missing, command, said):
    status, line = python(
        "import os, sys\n"
        f"os.environ['FREEIM_REDIS'] = {system.client.options.redis!r}\n"
        f"sys.modules[{missing!r}] = None\n"
        "from freeim.cli.main import main\n"
        f"sys.exit(main({command}))"
    )
    assert (status, line.count("\n")) == (1, 1)
    assert line.startswith(said)
    if missing != "bench":
        assert "pip install 'freeim[cli]'" in line


def test_importing_freeim_loads_nothing_of_the_command_line():
    status, _ = python(
        "import sys, freeim\n"
        "heavy = {'click', 'rich', 'gevent', 'freeim.cli'}\n"
        "sys.exit(heavy & set(sys.modules) != set())\n"
    )
    assert status == 0
