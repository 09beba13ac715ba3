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

REFUSALS = [one for one in vars(handshake).values() if isinstance(one, Refusal)]


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
        (handshake.NO_REDIS, "503", 1013),
        (handshake.DRAINING, "503", 1013),
    ],
)
def test_refusal_says_the_same_before_and_after_the_101(refusal, status, close):
    assert refusal.status.split()[0] == status
    assert refusal.close.code == close


def test_wrong_version_is_told_the_right_one():
    assert ("Sec-WebSocket-Version", "13") in handshake.BAD_VERSION.headers


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.text)
def test_who_may_come_back_is_told_when(refusal):
    assert ("Retry-After" in dict(refusal.headers)) == refusal.close.reconnect
