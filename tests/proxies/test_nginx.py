"""A real nginx with deploy/nginx/freeim.conf, TLS, and two nodes behind one name."""

from __future__ import annotations

import json
import re
import sys
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPSConnection

import pytest

from demo.parts import answers_200
from demo.redis_server import free_port

from ..running import Server, clean_environ
from .behind import NAMES, browse, doctor, ports_of, public_url, trust
from .servers import Nginx, missing


if missing(Nginx):
    pytest.skip(missing(Nginx), allow_module_level=True)


@pytest.fixture
def start(start):
    """Returns what starts an nginx in front of the nodes."""
    return partial(start, Nginx)


@contextmanager
def webapi(system, nginx, port):
    """The demo's application, told that it is behind nginx."""
    address = f"127.0.0.1:{port}"
    command = [
        *(sys.executable, "-m", "gunicorn", "-c", "python:demo.gunicorn_conf"),
        *("-k", "gthread", "-b", address, "demo.flask_webapi:create_app()"),
    ]
    server = Server(
        "webapi",
        command,
        ready=lambda: answers_200(address, "/"),
        environ=clean_environ(
            FREEIM_REDIS=system.redis_url,
            FREEIM_SERVERS=",".join(NAMES),
            FREEIM_PUBLIC_URL=public_url(nginx),
            FREEIM_DEMO_MODE="1",
            FREEIM_DEMO_FOLDER=system.folder.name,
        ),
    )
    try:
        yield server.serve()
    finally:
        server.stop()


def ask_webapi(link, path, body, cookie=""):
    """Returns the JSON that the demo's application answers, and its cookie."""
    headers = {"Content-Type": "application/json", "Cookie": cookie}
    link.request("POST", path, json.dumps(body), headers)
    answer = link.getresponse()
    assert answer.status == 200, answer.read()
    cookie = answer.headers.get("Set-Cookie", cookie).partition(";")[0]
    return json.loads(answer.read()), cookie


def test_the_demos_page_gets_addresses_of_both_nodes(system, authority, start):
    port = free_port()
    nginx = start(application=port)
    seen = set()
    with webapi(system, nginx, port):
        for name in ("Ada", "Bo"):
            link = HTTPSConnection(
                "127.0.0.1", nginx.port, timeout=10, context=trust(authority)
            )
            with closing(link):
                answer, cookie = ask_webapi(link, "/api/sign-in", {"name": name})
                client_id = answer["me"]["id"]
                url = ask_webapi(link, "/api/connect", {}, cookie)[0]["url"]
            server = NAMES[client_id % 2]
            seen.add(server)
            assert f"/{server}/ws?token=" in url
            sock = browse(nginx, authority, url)
            system.client.send_message(0, client_id, "for you")
            while sock.recv() != '"for you"':
                pass
            sock.shutdown()
    assert seen == set(NAMES)


@pytest.mark.parametrize(
    "change, kind, fix",
    [
        (r"proxy_set_header (Upgrade|Connection) .*;", "no_upgrade", "$http_upgrade"),
        (r"location = /im-1/ws", "not_found", "FREEIM_PATH_MATCH"),
        (r"proxy_pass http://freeim_im_1/ws;", "forbidden", "deny, allow"),
    ],
)
def test_the_doctor_finds_what_is_missing(system, authority, start, change, kind, fix):
    instead = {
        "no_upgrade": "",
        "not_found": "location = /elsewhere",
        "forbidden": "deny all;",
    }

    def strip(text):
        # Where no location fits, nobody else answers either.
        text = text.replace("proxy_pass http://freeim_webapi;", "return 404;")
        return re.sub(change, instead[kind], text)

    nginx = start(change=strip)
    status, (hops,) = doctor(system, nginx, authority, "--server", "im-1")
    assert status == 1
    assert (hops[-1]["name"], hops[-1]["kind"]) == ("upgrade", kind), hops
    assert fix in hops[-1]["fix"]
    assert "nginx" in hops[-1]["seen"]


def test_the_doctor_finds_a_node_that_is_away(system, authority, start):
    nginx = start(nodes=[free_port(), ports_of(system)[1]])
    status, (bad, good) = doctor(system, nginx, authority, "--idle", "0.1")
    assert status == 1
    assert (bad[-1]["name"], bad[-1]["kind"]) == ("upgrade", "bad_gateway")
    assert "compare its --bind with proxy_pass" in bad[-1]["fix"]
    assert good[-1]["status"] == "ok"


def test_the_doctor_finds_paths_that_are_mixed_up(system, authority, start):
    ports = ports_of(system)
    status, walks = doctor(system, start(nodes=ports[::-1]), authority)
    assert status == 1
    for hops, asked, answered in zip(walks, NAMES, NAMES[::-1]):
        assert hops[-1]["kind"] == "misrouted"
        assert hops[-1]["seen"] == f"asked for {asked}, answered by {answered}"


def test_the_doctor_finds_a_read_timeout_below_the_ping_interval(
    system, authority, start
):
    nginx = start(change=lambda text: text.replace("75s", "300ms"))
    arguments = ("--idle", "10", "--server", "im-1")
    status, (hops,) = doctor(system, nginx, authority, *arguments)
    assert status == 1
    assert (hops[-1]["name"], hops[-1]["kind"]) == ("idle", "cut")
    assert "proxy_read_timeout" in hops[-1]["fix"]


def test_the_doctor_finds_ws_at_the_tls_port(system, authority, start):
    nginx = start()
    url = f"ws://127.0.0.1:{nginx.port}/{{server}}/ws?token={{token}}"
    arguments = ("--public-url", url, "--server", "im-1")
    status, (hops,) = doctor(system, nginx, authority, *arguments)
    assert status == 1
    assert (hops[-1]["name"], hops[-1]["kind"]) == ("upgrade", "tls_port")
    assert "public_url with wss://" in hops[-1]["fix"]
