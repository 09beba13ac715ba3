"""A configuration fault ends the process at start, with one line that mends it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .running import APP, GUNICORN, System, clean_environ, free_port, redis_server


SERVERS = "127.0.0.1:6001,127.0.0.1:6002"

#: Variables, what the line names beside them, and what it says to do.
FAULTS = {
    "no servers": (
        {"FREEIM_SERVER": "a"},
        "FREEIM_SERVERS=",
        "name every relay node in the order",
    ),
    "empty server list": (
        {"FREEIM_SERVERS": " , ", "FREEIM_SERVER": "a"},
        "FREEIM_SERVERS=' , '",
        "name every relay node in the order",
    ),
    "node not in the list": (
        {"FREEIM_SERVERS": SERVERS, "FREEIM_SERVER": "127.0.0.1:6003"},
        "FREEIM_SERVER='127.0.0.1:6003'",
        "name this node as one of servers (127.0.0.1:6001, 127.0.0.1:6002)",
    ),
    "no node name": (
        {"FREEIM_SERVERS": SERVERS},
        "FREEIM_SERVER=''",
        "name this node as one of servers",
    ),
    "no URL": (
        {"FREEIM_SERVERS": "a", "FREEIM_REDIS": "localhost:6379"},
        "FREEIM_REDIS='localhost:6379'",
        "give a URL that begins with redis://",
    ),
    "unknown dialect": (
        {"FREEIM_SERVERS": "a", "FREEIM_DIALECT": "v3"},
        "FREEIM_DIALECT='v3'",
        "choose one of v1, v2",
    ),
    "no number": (
        {"FREEIM_SERVERS": "a", "FREEIM_PING_INTERVAL": "soon"},
        "FREEIM_PING_INTERVAL='soon'",
        "give a number of seconds",
    ),
    "times that contradict": (
        {"FREEIM_SERVERS": "a", "FREEIM_IDLE_TIMEOUT": "20"},
        "FREEIM_IDLE_TIMEOUT=20.0",
        "make it longer than ping_interval (25)",
    ),
    "sentinels without a service": (
        {"FREEIM_SERVERS": "a", "FREEIM_REDIS": "redis+sentinel://:hush@127.0.0.1:1"},
        "FREEIM_REDIS='redis+sentinel://:***@127.0.0.1:1'",
        "give a URL such as redis+sentinel://:PASSWORD@HOST:26379,HOST:26379/SERVICE/0",
    ),
    "unreachable sentinels": (
        {
            "FREEIM_SERVERS": "a",
            "FREEIM_REDIS": "redis+sentinel://127.0.0.1:1/s?sentinel_password=hush",
        },
        "FREEIM_REDIS='redis+sentinel://127.0.0.1:1/s?sentinel_password=***'",
        "no sentinel answers: start one of them, or correct their addresses",
    ),
    "cluster without a hash tag": (
        {"FREEIM_SERVERS": "a", "FREEIM_REDIS": "redis+cluster://:hush@127.0.0.1:1"},
        "FREEIM_KEY_PREFIX=''",
        "give one with a hash tag, such as {im}:",
    ),
    "unreachable cluster": (
        {
            "FREEIM_SERVERS": "a",
            "FREEIM_KEY_PREFIX": "{im}",
            "FREEIM_REDIS": "redis+cluster://:hush@127.0.0.1:1",
        },
        "FREEIM_REDIS='redis+cluster://:***@127.0.0.1:1'",
        "no node of the cluster answers: start one of them",
    ),
    "unreachable Redis": (
        {"FREEIM_SERVERS": "a", "FREEIM_REDIS": "redis://me:hush@127.0.0.1:1/0"},
        "FREEIM_REDIS='redis://me:***@127.0.0.1:1/0'",
        "start redis-server there, or give its address",
    ),
}


@pytest.fixture(scope="module")
def locked_redis(tmp_path_factory):
    folder = tmp_path_factory.mktemp("locked")
    server = redis_server(folder, arguments=["--requirepass", "secret"])
    server.ready = lambda: any("eady to accept" in line for line in server.lines)
    # Warnings only, by default; the line that we wait for is a notice.
    server._command.extend(["--loglevel", "notice"])
    server.serve()
    yield server
    server.stop()


def run(command, **variables):
    """Runs a command to its end; returns its status and what it said of ours."""
    done = subprocess.run(
        [*command, "--bind", f"127.0.0.1:{free_port()}"],
        env=clean_environ(**variables),
        capture_output=True,
        text=True,
        timeout=30,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("freeim: ")]
    assert "Traceback" not in done.stderr, done.stderr
    assert "hush" not in done.stderr
    return done, lines


RELAY = [sys.executable, "-m", "freeim", "relay"]

#: How to start, and the status in the end. gunicorn has a status of its own for an
#: application that could not start.
STARTS = {"freeim relay": (RELAY, 2), "gunicorn": ([*GUNICORN, "-k", "gevent", APP], 3)}


@pytest.mark.parametrize("command, status", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize("variables, named, remedy", FAULTS.values(), ids=FAULTS)
def test_one_line_names_variable_value_and_remedy(
    command, status, variables, named, remedy
):
    done, lines = run(command, **variables)
    assert done.returncode == status, done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith(f"freeim: {named}")
    assert remedy in lines[0]
    if status == 2:
        assert done.stderr == lines[0] + "\n"


@pytest.mark.parametrize("command, status", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize("login", ["", ":hush@", "me:hush@"])
def test_a_redis_with_another_password_says_so(command, status, login, locked_redis):
    url = locked_redis.url.replace("//", f"//{login}")
    done, lines = run(command, FREEIM_SERVERS="a", FREEIM_REDIS=url)
    assert done.returncode == status
    assert len(lines) == 1, done.stderr
    assert "FREEIM_REDIS=" in lines[0] and str(locked_redis.port) in lines[0]
    assert "password" in lines[0]


def test_the_password_opens_it(locked_redis):
    url = locked_redis.url.replace("//", "//:secret@")
    with System(url, "freeim relay") as system:
        sock = system.connect(1)
        system.client.send_message(0, 1, "in")
        assert sock.recv() == '"in"'


def test_a_flag_is_named_as_it_was_typed():
    done, lines = run([*RELAY, "--servers", "a,b", "--server", "c"])
    assert done.returncode == 2
    assert lines[0].startswith("freeim: --server='c': name this node as one of servers")


def test_a_flag_wins_over_its_variable():
    done, lines = run(
        [*RELAY, "--servers", "a", "--kick-code", "1"], FREEIM_KICK_CODE="1001"
    )
    assert lines[0].startswith("freeim: --kick-code='1'")


@pytest.mark.parametrize("bind", ["nowhere", "127.0.0.1:x", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_named(bind):
    done = subprocess.run(
        [*RELAY, "--servers", "a", "--bind", bind],
        env=clean_environ(FREEIM_REDIS="redis://127.0.0.1:1"),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"--bind='{bind}'" in done.stderr


def test_a_taken_port_is_named(shared_redis):
    port = shared_redis.port
    done = subprocess.run(
        [*RELAY, "--servers", "a", "--bind", f"127.0.0.1:{port}"],
        env=clean_environ(FREEIM_REDIS=shared_redis.url),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2
    (line,) = [one for one in done.stderr.splitlines() if one.startswith("freeim:")]
    assert f"--bind='127.0.0.1:{port}': choose an address that is free" in line


def test_a_worker_that_is_not_gevents_is_told_so(shared_redis):
    done, lines = run(
        [*GUNICORN, APP], FREEIM_SERVERS="a", FREEIM_REDIS=shared_redis.url
    )
    assert done.returncode == 3
    assert len(lines) == 1, done.stderr
    assert "gunicorn -k gevent" in lines[0]


def interpreter(program):
    """Runs a program in a fresh interpreter; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["freeim", "freeim.imhelper", "freeim.events"])
def test_the_helper_loads_neither_gevent_nor_flask(module):
    loaded = interpreter(f"import sys, {module}; print(sorted(sys.modules))")
    for other in ("gevent", "flask", "gunicorn", "wsproto"):
        assert f"'{other}'" not in loaded
    assert "'freeim.client'" in loaded


@pytest.mark.parametrize(
    "module, missing, extra",
    [
        ("freeim.relay_wsgi", "gevent", "relay"),
        ("freeim.relay_wsgi", "wsproto", "relay"),
        ("freeim.relay_wsgi", "hiredis", "relay"),
        ("freeim.relay_wsgi", "prometheus_client", "relay"),
        ("freeim.flask_ext", "flask", "flask"),
    ],
)
def test_a_missing_extra_says_which_pip_install_mends_it(module, missing, extra):
    said = interpreter(
        "import sys\n"
        f"sys.modules[{missing!r}] = None\n"
        f"try:\n    import {module}\n"
        "except ImportError as error:\n    print(error)\n"
    )
    assert f"pip install 'freeim[{extra}]'" in said
    assert missing in said


def test_freeim_relay_without_gevent_says_which_pip_install_mends_it():
    said = interpreter(
        "import sys\n"
        "sys.modules['gevent'] = None\n"
        "from freeim.cli.main import main\n"
        "try:\n    main(['relay', '--servers', 'a'])\n"
        "except SystemExit as error:\n    print(error)\n"
    )
    assert said.startswith("freeim: ") and "pip install 'freeim[relay]'" in said


def test_importing_the_relay_reads_no_environment_and_connects_nothing():
    assert (
        interpreter(
            "import os\n"
            "os.environ['FREEIM_SERVERS'] = ''\n"
            "import freeim.relay_wsgi as module\n"
            "print('app' in vars(module), hasattr(module, 'create_relay_app'))\n"
        )
        == "False True"
    )
