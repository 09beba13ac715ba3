"""The address, port, TLS and proxy faults on which users of FreeIM got stuck.

Each test sets one of them up for real and asserts the hop, the cause and the fix.
"""

from __future__ import annotations

import re
import socket
from contextlib import closing

import pytest
import redis

from demo.redis_server import free_port
from freeim import ImClient
from freeim.redis_client import open_redis

from ..running import redis_server
from .way import FORBIDDEN, Application, HttpProxy, Listener, without


def url_at(port, path="/ws"):
    return f"ws://127.0.0.1:{port}{path}?token={{token}}"


@pytest.fixture
def everywhere():
    """Returns addresses for both nodes that lead to the same place."""

    def make(template):
        # One address for two nodes would be refused: they must differ in something.
        return {"im-1": template, "im-2": template.replace("?", "?node=2&")}

    return make


@pytest.fixture
def application(system):
    """Returns an application of the team whose helper is set up in some way."""

    def make(certificate=None, **options):
        settings = {"redis": system.redis_url, "servers": ["im-1", "im-2"], **options}
        client = ImClient(**settings)
        return Application(
            lambda: {"server": client.prev_connect_server(2)}, certificate
        )

    return make


def test_an_inside_address_that_is_the_browsers_own_machine(examine):
    found = examine(origin="http://shop.example.com")
    found.fails_at(
        *("address", "loopback"),
        "servers holds inside addresses",
        "public_url to the outside address",
    )


def test_the_address_at_which_a_relay_listens(examine, everywhere):
    found = examine(
        helper={"public_url": everywhere("ws://0.0.0.0:6001/ws?token={token}")}
    )
    found.fails_at("address", "wildcard", "not an address to connect to", "--bind only")


def test_ws_on_a_page_that_came_by_https(application, authority, examine, ca):
    # FreeIM writes ws:// always; the advice was to replace it in the page's script.
    certificate = authority.issue_cert("127.0.0.1")
    public_url = "ws://im.example.com/{server}/ws?token={token}"
    with application(certificate, public_url=public_url) as shop:
        found = examine(shop.url(), ca=ca)
    found.fails_at(
        *("address", "mixed"),
        "opens no ws:// from a page that came by https://",
        "public_url='wss://im.example.com/{server}/ws?token={token}'",
    )
    assert found.hops["redis"]["status"] == "ok"


def test_an_address_without_a_scheme(examine):
    with Application(lambda: {"url": "127.0.0.1:6001/ws?token=abc"}) as shop:
        found = examine(shop.url(), helper={"servers": ""})
    found.fails_at("address", "scheme", "lacks the scheme", "wss:// behind TLS")


def test_wss_to_a_relay_that_speaks_plain_http(system, examine):
    urls = {
        node.server_name: f"wss://{node.address}/ws?token={{token}}"
        for node in system.nodes
    }
    found = examine(helper={"public_url": urls})
    found.fails_at(
        *("tls", "not_tls"),
        "says wss:// but the port speaks plain HTTP",
        "proxy's TLS port (443)",
    )


def test_a_certificate_that_nobody_signed(authority, examine, everywhere):
    with Listener(certificate=authority.issue_cert("127.0.0.1")) as proxy:
        url = everywhere(f"wss://127.0.0.1:{proxy.port}/ws?token={{token}}")
        found = examine(helper={"public_url": url})
    found.fails_at("tls", "untrusted", "self-signed, or its chain", "fullchain.pem")


def test_a_certificate_for_another_name(authority, examine, ca, everywhere):
    with Listener(certificate=authority.issue_cert("im.example.com")) as proxy:
        url = everywhere(f"wss://127.0.0.1:{proxy.port}/ws?token={{token}}")
        found = examine(helper={"public_url": url}, ca=ca)
    found.fails_at(
        "tls", "other_name", "for another name than '127.0.0.1'", "certificate's name"
    )


def test_ws_to_a_port_that_speaks_tls(authority, examine, everywhere):
    with Listener(certificate=authority.issue_cert("127.0.0.1")) as proxy:
        found = examine(helper={"public_url": everywhere(url_at(proxy.port))})
    last = found.walks[0]["hops"][-1]
    # OpenSSL may say why before it closes, or just close.
    assert last["kind"] in ("tls_port", "not_http"), last
    found.fails_at("upgrade", last["kind"], "speaks TLS", "wss://")


def test_a_name_that_is_known_inside_only(application, examine):
    with application(public_url="ws://{server}.invalid:6001/ws?token={token}") as shop:
        found = examine(shop.url())
    found.fails_at("dns", "unknown", "known inside only", "a record for 'im-1.invalid'")


def test_a_port_that_is_published_under_another_number(examine, everywhere):
    port = free_port()
    found = examine(helper={"public_url": everywhere(url_at(port))})
    found.fails_at(
        *("tcp", "refused"),
        "port is published under another number",
        f"docker -p {port}:{port}",
    )


def test_a_relay_that_is_down(system, examine):
    # Its name is still its address, as FreeIM's sample has it.
    name = f"127.0.0.1:{free_port()}"
    found = examine(
        helper={"servers": [name], "public_url": "ws://{server}{path}?token={token}"}
    )
    found.fails_at(
        *("tcp", "refused"),
        f"nothing listens at {name}: the relay is down",
        "start the relay",
    )


def test_an_address_from_which_nothing_comes_back(examine, everywhere):
    # A queue that is full swallows what knocks, as a firewall does.
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for knock in (first, second):
            knock.setblocking(False)
            knock.connect_ex(deaf.getsockname())
        url = everywhere(url_at(deaf.getsockname()[1]))
        found = examine(helper={"public_url": url}, timeout=0.3, server="im-1")
    last = found.walks[0]["hops"][-1]
    if last["name"] == "upgrade":
        pytest.skip("this kernel lets more connections wait than it was told")
    found.fails_at("tcp", "timeout", "a firewall", "open port")


def test_a_port_at_which_the_application_listens(application, examine, everywhere):
    # The relay was started with other --urls than its configuration says.
    with application() as other:
        found = examine(helper={"public_url": everywhere(url_at(other.port))})
    found.fails_at("upgrade", "page", "a web page answers", "lead to the relay's port")


def test_a_path_that_nobody_serves(system, examine, everywhere):
    port = system.nodes[0].address.rpartition(":")[2]
    found = examine(helper={"public_url": everywhere(url_at(port, "/im/ws"))})
    found.fails_at("upgrade", "not_found", "nobody serves /im/ws", "FREEIM_PATH_MATCH")


def test_a_proxy_that_drops_the_upgrade(system, examine, everywhere):
    port = int(system.nodes[0].address.rpartition(":")[2])
    with HttpProxy(port, head=without(b"upgrade", b"connection")) as proxy:
        found = examine(helper={"public_url": everywhere(url_at(proxy.port))})
    found.fails_at(
        *("upgrade", "no_upgrade"),
        "dropped the headers Upgrade and Connection",
        "proxy_set_header Upgrade $http_upgrade",
    )


def test_a_firewall_that_forbids_the_path(examine, everywhere):
    with Listener(FORBIDDEN) as wall:
        found = examine(helper={"public_url": everywhere(url_at(wall.port))})
    found.fails_at("upgrade", "forbidden", "forbids /ws", "a WAF's rule")
    assert "403 (Server: waf)" in found.hops["upgrade"]["seen"]


def test_a_proxy_that_redirects_to_tls(examine, everywhere):
    answer = (
        b"HTTP/1.1 301 Moved\r\nLocation: https://x/ws\r\nContent-Length: 0\r\n\r\n"
    )
    with Listener(answer) as proxy:
        found = examine(helper={"public_url": everywhere(url_at(proxy.port))})
    found.fails_at(
        "upgrade", "redirect", "redirects to https://x/ws", "begin with wss://"
    )


def test_redis_that_wants_a_password(tmp_path, examine):
    server = redis_server(tmp_path, arguments=["--requirepass", "secret"])
    server.ready = lambda: _refuses(server.url)
    server.serve()
    try:
        found = examine(helper={"redis": server.url})
    finally:
        server.stop()
    found.fails_at(
        "redis", "refused", "wants a login that the URL does not give", ":PASSWORD@"
    )


def _refuses(url):
    with closing(open_redis(url, connect_timeout=1, timeout=1)) as client:
        try:
            client.ping()
        except redis.AuthenticationError:
            return True
        except redis.ConnectionError:
            return False
        finally:
            client.connection_pool.disconnect()


def test_redis_that_is_not_there(examine):
    found = examine(helper={"redis": f"redis://:secret@127.0.0.1:{free_port()}/0"})
    found.fails_at("redis", "unreachable", "no Redis can be used", "start redis-server")
    assert "secret" not in found.text


def test_a_relay_under_another_name_than_the_applications(system, examine):
    # Server differs from Servers: the socket opens, and then there is silence.
    urls = system.client.options.public_url
    found = examine(
        helper={
            "servers": ["10.0.0.5:6001", "im-2"],
            "public_url": {"10.0.0.5:6001": urls["im-1"], "im-2": urls["im-2"]},
        }
    )
    found.fails_at(
        *("node", "unknown_name"),
        "the relay calls itself 'im-1'",
        "put FREEIM_SERVER=im-1 into FREEIM_SERVERS of all parts",
    )


def test_servers_in_another_order(system, application, examine):
    urls = system.client.options.public_url
    with application(servers=["im-2", "im-1"], public_url=urls) as shop:
        found = examine(shop.url())
    found.fails_at(
        *("node", "misrouted"),
        "list servers in another order",
        "the same FREEIM_SERVERS in the same order",
    )
    assert found.hops["node"]["seen"] == "asked for im-1, answered by im-2"


@pytest.mark.parametrize("client_id", [2, 3])
def test_a_client_who_has_another_socket_where_it_belongs(system, examine, client_id):
    urls = system.client.options.public_url
    swapped = ImClient(
        redis=system.redis_url, servers=["im-2", "im-1"], public_url=urls
    )
    with closing(system.connect(client_id)):
        with Application(
            lambda: {"url": swapped.prev_connect_server(client_id)}
        ) as shop:
            found = examine(shop.url())
    assert found.hops["node"]["kind"] == "misrouted", found.text


def test_a_proxy_that_cuts_what_is_idle(system, examine):
    ports = [int(node.address.rpartition(":")[2]) for node in system.nodes]
    with HttpProxy(ports[0], idle=1.0) as proxy:
        urls = {"im-1": url_at(proxy.port), "im-2": url_at(ports[1])}
        patient = examine(helper={"public_url": urls}, idle=5.0, server="im-1")
        hasty = examine(helper={"public_url": urls}, idle=0.05, server="im-1")
    cut = "cut the socket after it was idle for "
    patient.fails_at("idle", "cut", cut, "proxy_read_timeout")
    said = re.search(cut + r"([0-9.]+) s", patient.walks[0]["hops"][-1]["cause"])
    # It says what it saw: later than the proxy's own time on a busy machine.
    assert 0.9 <= float(said[1]) < 5.0
    assert hasty.status == 0, hasty.text
