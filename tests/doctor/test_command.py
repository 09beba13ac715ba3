"""`freeim doctor` as a command: lines, JSON, exit statuses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from demo.redis_server import free_port

from ..running import clean_environ


def freeim_doctor(*arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", "freeim", "doctor", *arguments],
        capture_output=True,
        text=True,
        env=clean_environ(**variables),
        timeout=60,
    )


def test_a_line_a_hop_and_status_0(system):
    urls = json.dumps(system.client.options.public_url)
    done = freeim_doctor(
        *("--token-from-redis", "--idle", "0.05", "--public-url", urls),
        FREEIM_REDIS=system.redis_url,
        FREEIM_SERVERS="im-1,im-2",
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("node")] == [
        "node im-1",
        "node im-2",
    ]
    assert len(lines) == 2 * 15
    assert all(line[:5].strip() in ("node", "ok", "skip") for line in lines)


def test_cause_and_fix_under_what_fails_and_status_1(system):
    done = freeim_doctor(
        *("--token-from-redis", "--redis", system.redis_url),
        *("--servers", f"127.0.0.1:{free_port()}"),
    )
    assert (done.returncode, done.stderr) == (1, "")
    *_, failed, cause, fix = done.stdout.splitlines()
    assert failed.startswith("FAIL  tcp ")
    assert cause.split()[0] == "cause" and "nothing listens at" in cause
    assert fix.split()[0] == "fix" and "start the relay" in fix


def test_json_of_a_failure():
    url = f"http://127.0.0.1:{free_port()}/connect"
    done = freeim_doctor(url, "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    (walk,) = found["walks"]
    assert (found["ok"], walk["ok"]) == (False, False)
    assert walk["hops"][-1]["name"] == "application"
    assert set(walk["hops"][-1]) == {"name", "status", "seen", "kind", "cause", "fix"}


@pytest.mark.parametrize(
    "arguments, says",
    [
        ([], "URL=None: give the application's endpoint"),
        (["http://h/", "--token-from-redis"], "URL='http://h/': give"),
        (["ws://h/"], "URL='ws://h/': give the http:// or https:// URL"),
        (["--token-from-redis"], "FREEIM_SERVERS=(): name every relay node"),
        (
            ["--token-from-redis", "--servers", "a,b", "--server", "c"],
            "--server='c': name one of servers (a, b)",
        ),
        (
            ["--token-from-redis", "--servers", "a", "--public-url", "{no"],
            "--public-url='{no': give a template, or JSON",
        ),
        (["http://h/", "--header", "Cookie"], "--header='Cookie': give NAME:VALUE"),
        (["http://h/", "--ca", "/no/file"], "--ca='/no/file': give a file"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_status_2(arguments, says):
    done = freeim_doctor(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"freeim: {says}"), done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_doctor_loads_no_gevent():
    code = (
        "import sys, freeim.doctor.command; "
        "sys.exit(any(m.split('.')[0] == 'gevent' for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
