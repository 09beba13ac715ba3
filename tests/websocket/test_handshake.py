"""The opening handshake: which requests may be upgraded, and the answer to others."""

from __future__ import annotations

import pytest

from freeim.websocket import handshake
from freeim.websocket.deflate import ANSWER
from freeim.websocket.handshake import Refusal, Upgrade, check_upgrade


# RFC 6455 §1.3.
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

REQUEST = {
    "REQUEST_METHOD": "GET",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "PATH_INFO": "/ws",
    "QUERY_STRING": "token=abc",
    "HTTP_UPGRADE": "websocket",
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_KEY": KEY,
}


def request(**changes):
    """Returns the good request with some variables changed, or left out if None."""
    environ = {**REQUEST, **changes}
    return {name: value for name, value in environ.items() if value is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"HTTP_UPGRADE": "WebSocket"},
        {"HTTP_UPGRADE": "h2c, websocket"},
        {"HTTP_CONNECTION": "keep-alive, Upgrade"},
        {"HTTP_CONNECTION": "upgrade ,keep-alive"},
        {"HTTP_SEC_WEBSOCKET_VERSION": " 13 "},
        {"HTTP_SEC_WEBSOCKET_KEY": f" {KEY} "},
        {"CONTENT_LENGTH": ""},
        {"CONTENT_LENGTH": "0"},
        {"HTTP_ORIGIN": "https://elsewhere"},
        {"HTTP_SEC_WEBSOCKET_EXTENSIONS": "permessage-deflate"},
        {"QUERY_STRING": "a=1&token=abc&b="},
        {"QUERY_STRING": "token=&token=abc"},
        {"QUERY_STRING": "token=abc&token=def"},
        {"QUERY_STRING": "token=%61bc"},
    ],
    ids=str,
)
def test_good_request_may_be_upgraded_with_its_token(changes):
    assert check_upgrade(request(**changes)) == Upgrade("abc", KEY)


@pytest.mark.parametrize(
    "changes, refusal",
    [
        ({"HTTP_UPGRADE": None}, handshake.NOT_WEBSOCKET),
        ({"HTTP_UPGRADE": "h2c"}, handshake.NOT_WEBSOCKET),
        ({"HTTP_UPGRADE": "websockets"}, handshake.NOT_WEBSOCKET),
        ({"HTTP_CONNECTION": None}, handshake.NOT_WEBSOCKET),
        ({"HTTP_CONNECTION": "keep-alive"}, handshake.NOT_WEBSOCKET),
        ({"SERVER_PROTOCOL": "HTTP/1.0"}, handshake.NOT_WEBSOCKET),
        ({"SERVER_PROTOCOL": None}, handshake.NOT_WEBSOCKET),
        ({"REQUEST_METHOD": "POST"}, handshake.BAD_METHOD),
        ({"REQUEST_METHOD": "HEAD"}, handshake.BAD_METHOD),
        ({"CONTENT_LENGTH": "5"}, handshake.BODY),
        ({"CONTENT_LENGTH": "-1"}, handshake.BODY),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, handshake.BODY),
        ({"HTTP_SEC_WEBSOCKET_VERSION": None}, handshake.BAD_VERSION),
        ({"HTTP_SEC_WEBSOCKET_VERSION": "8"}, handshake.BAD_VERSION),
        ({"HTTP_SEC_WEBSOCKET_VERSION": "13, 8"}, handshake.BAD_VERSION),
        ({"HTTP_SEC_WEBSOCKET_KEY": None}, handshake.BAD_KEY),
        ({"HTTP_SEC_WEBSOCKET_KEY": ""}, handshake.BAD_KEY),
        ({"HTTP_SEC_WEBSOCKET_KEY": "c2hvcnQ="}, handshake.BAD_KEY),
        ({"HTTP_SEC_WEBSOCKET_KEY": "x" * 24}, handshake.BAD_KEY),
        ({"HTTP_SEC_WEBSOCKET_KEY": f"!{KEY}"}, handshake.BAD_KEY),
        ({"HTTP_SEC_WEBSOCKET_KEY": KEY[:-2]}, handshake.BAD_KEY),
        ({"HTTP_SEC_WEBSOCKET_KEY": KEY.replace("G", "é")}, handshake.BAD_KEY),
        ({"HTTP_SEC_WEBSOCKET_KEY": KEY.replace("G", "\n")}, handshake.BAD_KEY),
        ({"QUERY_STRING": None}, handshake.BAD_TOKEN),
        ({"QUERY_STRING": ""}, handshake.BAD_TOKEN),
        ({"QUERY_STRING": "token="}, handshake.BAD_TOKEN),
        ({"QUERY_STRING": "Token=abc"}, handshake.BAD_TOKEN),
        ({"QUERY_STRING": "x=1"}, handshake.BAD_TOKEN),
    ],
    ids=str,
)
def test_other_requests_are_refused(changes, refusal):
    assert check_upgrade(request(**changes)) is refusal


@pytest.mark.parametrize(
    "query", ["token=%ff", "token=\xe9", "token=%00", "&&token=a;b"]
)
def test_strange_token_is_left_to_redis(query):
    upgrade = check_upgrade(request(QUERY_STRING=query))
    assert isinstance(upgrade, Upgrade)
    assert upgrade.token.encode()


def test_response_is_that_of_the_rfc():
    assert Upgrade("abc", KEY).response() == (
        "HTTP/1.1 101 Switching Protocols\r\n"
        "Upgrade: websocket\r\n"
        "Connection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    ).encode("ascii")


def test_offer_is_answered_if_we_compress():
    offer = request(HTTP_SEC_WEBSOCKET_EXTENSIONS="x, permessage-deflate")
    upgrade = check_upgrade(offer, compress=True)
    assert upgrade.deflates
    *_, answer, empty, end = upgrade.response().decode().split("\r\n")
    name, _, value = answer.partition(": ")
    assert (name, value) == ("Sec-WebSocket-Extensions", ANSWER)
    assert empty == end == ""


@pytest.mark.parametrize("offer", [None, "", "x", "permessage-deflate; x"])
def test_no_extension_is_answered_that_was_not_offered(offer):
    upgrade = check_upgrade(request(HTTP_SEC_WEBSOCKET_EXTENSIONS=offer), compress=True)
    assert not upgrade.deflates
    assert b"Extensions" not in upgrade.response()


@pytest.mark.parametrize(
    "refusal, status, close",
    [
        (handshake.NOT_WEBSOCKET, "400", 1002),
        (handshake.BAD_METHOD, "405", 1002),
        (handshake.BODY, "400", 1002),
        (handshake.BAD_KEY, "400", 1002),
        (handshake.BAD_VERSION, "426", 1002),
        (handshake.BAD_TOKEN, "401", 4401),
        (handshake.BAD_ORIGIN, "403", 4403),
        (handshake.NO_REDIS, "503", 1013),
        (handshake.BUSY, "503", 1013),
        (handshake.FULL, "503", 1013),
        (handshake.IP_FULL, "503", 1013),
        (handshake.CLIENT_FULL, "503", 1013),
        (handshake.TOO_FAST, "503", 1013),
        (handshake.DRAINING, "503", 1013),
    ],
)
def test_refusal_says_the_same_before_and_after_the_101(refusal, status, close):
    assert refusal.status.split()[0] == status
    assert refusal.close.code == close


def test_the_table_of_refusals_has_them_all():
    there_are = [one for one in vars(handshake).values() if isinstance(one, Refusal)]
    assert len(there_are) == len(handshake.REFUSALS)
    assert all(one in handshake.REFUSALS for one in there_are)


@pytest.mark.parametrize(
    "origin, welcome",
    [
        (None, True),
        ("https://a.de", True),
        ("HTTPS://A.de", True),
        ("https://a.de:444", False),
        ("http://a.de", False),
        ("https://a.de.evil", False),
        ("https://a.de, https://b.de", False),
        ("https://b.de", False),
        ("null", False),
        ("", False),
    ],
)
def test_pages_of_other_origins_are_refused_if_there_is_a_list(origin, welcome):
    environ = request(HTTP_ORIGIN=origin)
    answer = check_upgrade(environ, origins={"https://a.de"})
    assert isinstance(answer, Upgrade) if welcome else answer is handshake.BAD_ORIGIN
    assert isinstance(check_upgrade(environ), Upgrade)


def test_null_may_be_one_of_the_origins():
    environ = request(HTTP_ORIGIN="null")
    assert isinstance(check_upgrade(environ, origins={"null"}), Upgrade)


@pytest.mark.parametrize(
    "query, offered, token, selected",
    [
        (None, "freeim, abc", "abc", "freeim"),
        (None, "freeim,abc", "abc", "freeim"),
        ("x=1", " chat , freeim , abc ", "abc", "freeim"),
        ("token=abc", "freeim", "abc", "freeim"),
        ("token=abc", "freeim, def", "abc", "freeim"),
        ("token=abc", "chat, superchat", "abc", None),
        ("token=abc", "freeimx, def", "abc", None),
        ("token=abc", "", "abc", None),
    ],
)
def test_a_token_may_travel_beside_our_sub_protocol(query, offered, token, selected):
    environ = request(QUERY_STRING=query, HTTP_SEC_WEBSOCKET_PROTOCOL=offered)
    upgrade = check_upgrade(environ)
    assert (upgrade.token, upgrade.protocol) == (token, selected)
    line = f"\r\nSec-WebSocket-Protocol: {selected}\r\n".encode()
    assert (line in upgrade.response()) == (selected is not None)
    assert b"Protocol: abc" not in upgrade.response()


@pytest.mark.parametrize("offered", ["abc", "abc, freeim", "freeim", "freeim,", ","])
def test_no_other_sub_protocol_is_a_token(offered):
    environ = request(QUERY_STRING=None, HTTP_SEC_WEBSOCKET_PROTOCOL=offered)
    assert check_upgrade(environ) is handshake.BAD_TOKEN


def test_wrong_version_is_told_the_right_one():
    assert ("Sec-WebSocket-Version", "13") in handshake.BAD_VERSION.headers


@pytest.mark.parametrize(
    "refusal", handshake.REFUSALS, ids=lambda refusal: refusal.text
)
def test_who_may_come_back_is_told_when(refusal):
    assert ("Retry-After" in dict(refusal.headers)) == refusal.close.reconnect
