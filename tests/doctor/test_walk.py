"""A walk on which all is well, and faults behind the handshake."""

from __future__ import annotations

import re
from contextlib import closing

import pytest
import websocket

from freeim import ImClient
from freeim.doctor.diagnosis import DIAGNOSES
from freeim.websocket.frames import text_frame

from ..running import System, wait_until
from .way import Application, HttpProxy, Listener


#: Of what is said of a walk that goes well.
HOPS = list(DIAGNOSES)
TOKEN = re.compile(r"[0-9a-f]{32}")


def port_of(node):
    return int(node.address.rpartition(":")[2])


def through(system, proxy):
    """Returns addresses of which the first node's leads through a proxy."""
    urls = system.client.options.public_url
    first = f"ws://127.0.0.1:{proxy.port}/ws?token={{token}}"
    return {"im-1": first, "im-2": urls["im-2"]}


def statuses(walk):
    return {hop["name"]: hop["status"] for hop in walk["hops"]}


def test_all_hops_to_all_nodes(system, examine):
    found = examine()
    assert found.status == 0, found.text
    assert [walk["server"] for walk in found.walks] == ["im-1", "im-2"]
    for walk in found.walks:
        assert list(statuses(walk)) == HOPS
        assert statuses(walk) == {**dict.fromkeys(HOPS, "ok"), "tls": "skipped"}
        seen = {hop["name"]: hop["seen"] for hop in walk["hops"]}
        assert seen["node"].startswith(f"{walk['server']} holds the socket of client ")
        assert "4410" in seen["close"]
        assert "用户不在线" in seen["receipt"]
    assert not TOKEN.search(found.text), "a token is shown"


def test_nothing_is_left_behind(system, examine):
    # Tokens of walks that failed run out by themselves.
    before = set(system.redis.scan_iter("*Token*"))
    examine()
    wait_until(lambda: not system.client.get_client_list_by_online(), "offline")
    assert set(system.redis.scan_iter("*Token*")) <= before


def test_an_applications_client_is_not_kicked(system, examine):
    with closing(system.connect(3)) as other:
        client = system.client
        with Application(lambda: {"url": client.prev_connect_server(3)}) as shop:
            found = examine(shop.url())
        assert found.status == 0, found.text
        assert "closed from here" in found.hops["close"]["seen"]
        # The token was not revoked, and the other socket not closed.
        url = client.prev_connect_server(3)
        websocket.create_connection(url, timeout=5).shutdown()
        client.send_message(0, 3, "still here?")
        while other.recv() != '"still here?"':
            pass


def test_without_redis_the_rest_is_walked(system, examine):
    client = system.client
    with Application(lambda: {"url": client.prev_connect_server(4)}) as shop:
        found = examine(shop.url(), helper={"servers": ""})
    assert found.status == 0
    skipped = {hop for hop, one in found.hops.items() if one["status"] == "skipped"}
    assert skipped == {"redis", "tls", "node", "message", "receipt"}


def test_the_older_dialect(redis_url, examine):
    with System(redis_url, "freeim relay", ("old",), dialect="v1") as old:
        found = examine(
            helper={
                "redis": redis_url,
                "dialect": "v1",
                "servers": ["old"],
                "public_url": old.client.options.public_url,
            }
        )
    assert found.status == 0, found.text
    assert "client ffffffff-ffff-ffff-ffff-ffffffff" in found.hops["node"]["seen"]


#: A way in which the 101 is out before the token was looked at.
EARLY = "gunicorn -k GeventWebSocketWorker"


# Tokens


def test_a_token_that_was_used(system, examine):
    url = system.client.prev_connect_server(5)
    websocket.create_connection(url, timeout=5).shutdown()
    with Application(lambda: {"server": url}) as shop:
        alone = examine(shop.url(), helper={"servers": ""})
        found = examine(shop.url())
    alone.fails_at("token", "refused", "was used before", "for each connection")
    found.fails_at(
        *("application", "other_redis"),
        "or they have expired",
        "the same FREEIM_REDIS",
    )
    assert url.partition("token=")[2] not in alone.text + found.text


def test_an_application_with_another_redis(system, examine):
    elsewhere = system.redis_url.replace("/0", "/1")
    urls = system.client.options.public_url
    client = ImClient(redis=elsewhere, servers=["im-1", "im-2"], public_url=urls)
    with Application(lambda: {"server": client.prev_connect_server(6)}) as shop:
        found = examine(shop.url())
    found.fails_at(
        *("application", "other_redis"),
        "another Redis, database, path_match",
        "the same FREEIM_REDIS",
    )


def test_a_relay_with_another_redis(system, examine):
    found = examine(helper={"redis": system.redis_url.replace("/0", "/1")})
    found.fails_at(
        *("token", "not_taken"),
        "still unused in the Redis of the application",
        "give the relay the application's FREEIM_REDIS",
    )


def test_a_token_that_is_refused_after_the_101(redis_url, examine):
    with System(redis_url, EARLY, ("early",)) as early:
        options = {
            "redis": redis_url,
            "servers": ["early"],
            "public_url": early.client.options.public_url,
        }
        good = examine(helper=options)
        found = examine(helper={**options, "redis": redis_url.replace("/0", "/1")})
    assert good.status == 0, good.text
    assert found.hops["upgrade"]["status"] == "ok"
    found.fails_at("token", "not_taken", "tokens elsewhere", "FREEIM_KEY_PREFIX")
    assert "4401" in found.hops["token"]["seen"]


# What proxies do to frames


def test_a_proxy_that_passes_the_101_and_no_frames(system, examine):
    def head_only(data):
        return data if data.startswith(b"HTTP/") else b""

    with HttpProxy(port_of(system.nodes[0]), answer=head_only) as proxy:
        found = examine(
            helper={"public_url": through(system, proxy)}, timeout=0.5, server="im-1"
        )
    found.fails_at("token", "silent", "passes the 101 on", "buffering")


def test_a_proxy_that_holds_messages_back(system, examine):
    def no_message(data):
        return b"" if b"freeim doctor" in data else data

    with HttpProxy(port_of(system.nodes[0]), answer=no_message) as proxy:
        found = examine(
            helper={"public_url": through(system, proxy)}, timeout=0.5, server="im-1"
        )
    found.fails_at(
        *("message", "not_received"),
        "1 relay processes took the message",
        "turn off buffering",
    )


def test_messages_of_others_are_not_taken_for_its_own(system, examine):
    def with_another(data):
        return (text_frame(b'"another"') if b"freeim doctor" in data else b"") + data

    with HttpProxy(port_of(system.nodes[0]), answer=with_another) as proxy:
        found = examine(helper={"public_url": through(system, proxy)}, server="im-1")
    assert found.status == 0, found.text


def test_a_proxy_that_eats_the_relays_pings(redis_url, examine):
    timing = {"ping_interval": 0.2, "idle_timeout": 0.6}
    with System(redis_url, "freeim relay", ("brisk",), **timing) as brisk:

        def no_ping(data):
            return b"" if data.startswith(b"\x89") else data

        options = {"redis": redis_url, "servers": ["brisk"]}
        direct = brisk.client.options.public_url
        good = examine(helper={**options, "public_url": direct}, idle=1.2)
        with HttpProxy(port_of(brisk.nodes[0]), answer=no_ping) as proxy:
            url = f"ws://127.0.0.1:{proxy.port}/ws?token={{token}}"
            found = examine(helper={**options, "public_url": url}, idle=5.0)
    # An observation window of twice the relay's patience.
    assert good.status == 0, good.text
    assert re.search(r"[2-9] pings of the relay", good.hops["idle"]["seen"])
    found.fails_at("idle", "silent", "no answer to its pings", "tunnel the socket")
    assert "4509" in found.hops["idle"]["seen"]


def test_a_proxy_that_drops_the_close_frame(system, examine):
    def no_close(data):
        return None if data.startswith(b"\x88") else data

    with HttpProxy(port_of(system.nodes[0]), answer=no_close) as proxy:
        found = examine(helper={"public_url": through(system, proxy)}, server="im-1")
    found.fails_at("close", "lost", "without the close frame", "both directions")


def test_a_relay_that_is_stopped_meanwhile(redis_url, examine):
    with System(redis_url, "freeim relay", ("brief",)) as brief:

        def stop(data):
            if b"receipt" in data:
                brief.nodes[0].terminate()
            return data

        with HttpProxy(port_of(brief.nodes[0]), answer=stop) as proxy:
            options = {
                "redis": redis_url,
                "servers": ["brief"],
                "public_url": f"ws://127.0.0.1:{proxy.port}/ws?token={{token}}",
            }
            found = examine(helper=options, idle=10.0)
    hop = found.walks[0]["hops"][-1]["name"]
    assert hop in ("ping", "idle")
    found.fails_at(hop, "restarted", "was stopped", "max_requests")
    assert "1001" in found.hops[hop]["seen"]


# The application


@pytest.mark.parametrize(
    "answer, kind, fix",
    [
        (401, "login", "--header 'Cookie: …'"),
        (302, "redirect", "redirected to"),
        (500, "status", "application's log"),
        ("a text", "not_json", "page's script"),
        ({"ok": True}, "no_address", "{'server': ImHelper.prev_connect_server(…)}"),
    ],
)
def test_an_application_that_gives_no_address(examine, answer, kind, fix):
    with Application(lambda: answer) as shop:
        found = examine(shop.url())
    found.fails_at("application", kind, "", fix)


def test_an_application_that_is_asked_as_its_page_does(system, examine):
    client = system.client
    with Application(
        lambda: {"url": client.prev_connect_server(7)}, methods=("GET",)
    ) as shop:
        found = examine(shop.url(), data={"room": "9"}, headers={"Cookie": "session=1"})
    assert found.status == 0, found.text
    assert shop.seen == [
        ("POST", "room=9", "session=1"),
        ("GET", "", "session=1"),
    ]


def test_an_application_that_is_not_http(examine):
    with Listener(b"220 mail ready\r\n") as mail:
        found = examine(f"http://127.0.0.1:{mail.port}/connect")
    found.fails_at("application", "not_http", "another program", "check the port")
