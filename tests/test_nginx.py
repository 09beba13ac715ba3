"""A real nginx with deploy/nginx/freeim.conf, TLS, and two nodes behind one name."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest
import trustme
import websocket

from demo.parts import answers_200
from demo.redis_server import free_port
from freeim import ImClient

from .running import (
    Server,
    System,
    clean_environ,
    close_code,
    redis_server,
    wait_until,
)


CONF = Path(__file__).parent.parent / "deploy/nginx/freeim.conf"
NAMES = ("im-1", "im-2")
NAME = "im.example.com"

MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/freeim.conf;
}}
"""


def program():
    """Returns nginx; Debian has it where only root looks."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


if not program() and not os.environ.get("CI"):
    pytest.skip("no nginx: apt-get install nginx-light", allow_module_level=True)


class Nginx(Server):
    """An nginx with the deployed configuration; only ports and paths are others."""

    def __init__(self, folder, upstreams, certificate, change=str):
        """Takes the ports of im-1, im-2 and the application; may change the text."""
        self.folder = folder
        self.port, self.plain_port = free_port(), free_port()
        certificate.private_key_pem.write_to_path(str(folder / "privkey.pem"))
        for number, pem in enumerate(certificate.cert_chain_pems):
            pem.write_to_path(str(folder / "fullchain.pem"), append=number > 0)
        (folder / "freeim.conf").write_text(change(self._text(upstreams)))
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
        super().__init__(
            "nginx",
            [program(), "-p", str(folder), "-c", str(folder / "nginx.conf")],
            ready=lambda: answers_301(self.plain_port),
            environ=clean_environ(),
        )

    def _text(self, upstreams):
        text = CONF.read_text(encoding="utf-8")
        places = {
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            "/etc/ssl/im.example.com/": f"{self.folder}/",
            "/var/log/nginx/": f"{self.folder}/",
            **{
                f"127.0.0.1:{old};": f"127.0.0.1:{new};"
                for old, new in zip((6001, 6002, 5000), upstreams)
            },
        }
        for old, new in places.items():
            assert old in text, f"{CONF.name} has no {old}"
            text = text.replace(old, new)
        return text

    def logged(self):
        """Returns everything that it wrote down."""
        return self.log + "".join(
            path.read_text() for path in sorted(self.folder.glob("*.log"))
        )


def answers_301(port):
    with closing(HTTPConnection("127.0.0.1", port, timeout=2)) as link:
        with suppress(OSError):
            link.request("GET", "/")
            return link.getresponse().status == 301


def port_of(node):
    return int(node.address.rpartition(":")[2])


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    server = redis_server(tmp_path_factory.mktemp("redis-nginx")).serve()
    try:
        with System(server.url, "gunicorn -k gevent", NAMES) as running:
            running.redis_url = server.url
            yield running
    finally:
        server.stop()


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


@pytest.fixture
def start(system, authority, tmp_path):
    """Returns what starts an nginx in front of the nodes."""
    started = []

    def run(application=9, change=str, nodes=None, hosts=(NAME, "127.0.0.1")):
        folder = tmp_path / f"nginx-{len(started)}"
        folder.mkdir()
        ports = nodes or [port_of(node) for node in system.nodes]
        certificate = authority.issue_cert(*hosts)
        nginx = Nginx(folder, (*ports, application), certificate, change)
        started.append(nginx)
        return nginx.serve()

    yield run
    for nginx in started:
        nginx.stop()


def public_url(nginx):
    """Returns the application's side of it, as it stands in freeim.conf."""
    written = f'public_url="wss://{NAME}/{{server}}/ws?token={{token}}"'
    assert written in CONF.read_text(encoding="utf-8")
    return f"wss://{NAME}:{nginx.port}/{{server}}/ws?token={{token}}"


def helper(system, nginx):
    return ImClient(redis=system.redis_url, servers=NAMES, public_url=public_url(nginx))


def trust(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def browse(nginx, authority, url):
    """Opens a WebSocket as a browser on a page of that name does."""
    # The name leads nowhere here: the connection is made by hand, TLS is for the name.
    link = socket.create_connection(("127.0.0.1", nginx.port), timeout=10)
    return websocket.create_connection(
        url,
        timeout=10,
        socket=trust(authority).wrap_socket(link, server_hostname=NAME),
        origin=f"https://{NAME}:{nginx.port}",
        header={
            "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0",
            "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
            "Accept-Encoding": "gzip, deflate, br",
            "Cache-Control": "no-cache",
        },
    )


def doctor(system, nginx, authority, *arguments):
    """Walks through nginx; the name in the certificate is the address here."""
    ca = nginx.folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    url = f"wss://127.0.0.1:{nginx.port}/{{server}}/ws?token={{token}}"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "freeim", "doctor", "--token-from-redis"),
            *("--redis", system.redis_url, "--servers", ",".join(NAMES)),
            *("--public-url", url, "--ca", str(ca), "--json", *arguments),
        ],
        capture_output=True,
        text=True,
        env=clean_environ(),
        timeout=60,
    )
    assert done.stderr == ""
    walks = json.loads(done.stdout)["walks"]
    return done.returncode, [walk["hops"] for walk in walks]


def test_a_browser_reaches_both_nodes_under_one_name(system, authority, start):
    nginx = start()
    client = helper(system, nginx)
    sockets = {}
    for client_id in (2, 3):
        url = client.prev_connect_server(client_id)
        server = NAMES[client_id % 2]
        assert url.startswith(f"wss://{NAME}:{nginx.port}/{server}/ws?token=")
        sockets[client_id] = browse(nginx, authority, url)
        held = wait_until(
            lambda key=client_id: [
                node
                for node in system.redis.hkeys(client.wire.nodes_key)
                if system.redis.hget(client.wire.node_key(node.decode()), str(key))
            ],
            f"client {client_id} is online",
        )
        assert [node.decode().rpartition(":")[0] for node in held] == [server]
    assert system.nodes[0].metric("freeim_misrouted_total") == 0
    assert client.send_message(0, [2, 3], "hello") == 2
    for sock in sockets.values():
        assert sock.recv() == '"hello"'
    client.send_message(2, 3, "and a receipt", receipt=True)
    assert json.loads(sockets[2].recv())["receipt"] == "发送成功"
    sockets[3].ping("there?")
    sockets[3].recv()
    client.force_offline(2)
    client.force_offline(3)
    assert [close_code(sock) for sock in sockets.values()] == [4410, 4410]
    for sock in sockets.values():
        sock.shutdown()


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


def test_the_doctor_finds_nothing_behind_the_deployed_nginx(system, authority, start):
    status, walks = doctor(system, start(), authority, "--idle", "0.1")
    assert status == 0, walks
    for hops in walks:
        assert {hop["status"] for hop in hops} == {"ok"}, hops
        assert "TLSv1." in next(hop["seen"] for hop in hops if hop["name"] == "tls")


def test_no_token_is_written_down_not_even_when_a_node_is_away(
    system, authority, start
):
    nginx = start(nodes=[port_of(system.nodes[0]), free_port()])
    client = helper(system, nginx)
    good, bad = client.prev_connect_server(2), client.prev_connect_server(3)
    browse(nginx, authority, good).shutdown()
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        browse(nginx, authority, bad)
    assert refused.value.status_code == 502
    wait_until(lambda: " /im-2/ws 502 " in nginx.logged(), "access line")
    assert not re.search("[0-9a-f]{32}", nginx.logged())


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
    nginx = start(nodes=[free_port(), port_of(system.nodes[1])])
    status, (bad, good) = doctor(system, nginx, authority, "--idle", "0.1")
    assert status == 1
    assert (bad[-1]["name"], bad[-1]["kind"]) == ("upgrade", "bad_gateway")
    assert "compare its --bind with proxy_pass" in bad[-1]["fix"]
    assert good[-1]["status"] == "ok"


def test_the_doctor_finds_paths_that_are_mixed_up(system, authority, start):
    ports = [port_of(node) for node in system.nodes]
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
