"""What each option takes, from code and from the environment, and what it refuses."""

from __future__ import annotations

import math

import pytest

from freeim import checks
from freeim.dialects import V1, V2


whole = checks.number(int, 1, "a whole number")

TAKEN = [
    (checks.redis_url, "redis://h", "redis://h"),
    (checks.redis_url, "rediss://u:p@h:1/2", "rediss://u:p@h:1/2"),
    (checks.redis_url, "unix:///tmp/redis.sock", "unix:///tmp/redis.sock"),
    (checks.redis_url, "redis+sentinel://h/s", "redis+sentinel://h/s"),
    (checks.redis_url, "rediss+cluster://h:1,i:2", "rediss+cluster://h:1,i:2"),
    (checks.redis, "redis://h", "redis://h"),
    (checks.servers, "a:1", ("a:1",)),
    (checks.servers, " a:1 , b:2 ", ("a:1", "b:2")),
    (checks.servers, ["b:2", "a:1"], ("b:2", "a:1")),
    (checks.servers, iter(["a:1"]), ("a:1",)),
    (checks.path, "/ws", "/ws"),
    (checks.path, "/im/chat", "/im/chat"),
    (checks.dialect, "v1", V1),
    (checks.dialect, V2, V2),
    (checks.text, "", ""),
    (whole, 1, 1),
    (whole, "12", 12),
    (whole, 2.0, 2),
    (checks.seconds, 0, 0.0),
    (checks.seconds, "0.25", 0.25),
    (checks.positive_seconds, "0.001", 0.001),
    (checks.byte_count, "65536", 65536),
    (checks.close_code, 1000, 1000),
    (checks.close_code, "1001", 1001),
    (checks.close_code, 3000, 3000),
    (checks.close_code, "4999", 4999),
    (checks.public_url, "ws://h/ws?token={token}", "ws://h/ws?token={token}"),
    (
        checks.public_url,
        "wss://h/{server}{path}?token={token}",
        "wss://h/{server}{path}?token={token}",
    ),
    (checks.public_url, {"a": "ws://a/{token}"}, {"a": "ws://a/{token}"}),
    (checks.switch, "on", True),
    (checks.switch, "Off", False),
    (checks.switch, "1", True),
    (checks.switch, 0, False),
    (checks.switch, True, True),
    (checks.function, None, None),
    (checks.function, repr, repr),
]

REFUSED = [
    (checks.redis_url, ""),
    (checks.redis_url, "localhost:6379"),
    (checks.redis_url, "http://localhost"),
    (checks.redis_url, " redis://h"),
    (checks.redis_url, b"redis://h"),
    (checks.redis_url, "redis+sentinel://h"),
    (checks.redis_url, "redis+cluster://h:port"),
    (checks.redis_url, None),
    (checks.redis, range(3)),
    (checks.servers, ""),
    (checks.servers, ()),
    (checks.servers, None),
    (checks.servers, 6001),
    (checks.servers, "a,,b"),
    (checks.servers, "a,"),
    (checks.servers, ["a", ""]),
    (checks.servers, ["a", 1]),
    (checks.servers, b"a"),
    (checks.servers, "a,b, a"),
    (checks.path, ""),
    (checks.path, "ws"),
    (checks.path, "/ws?x=1"),
    (checks.path, None),
    (checks.dialect, "v3"),
    (checks.dialect, "V2"),
    (checks.dialect, 2),
    (checks.dialect, []),
    (checks.text, None),
    (checks.text, b""),
    (whole, 0),
    (whole, -1),
    (whole, 1.5),
    (whole, "1.5"),
    (whole, ""),
    (whole, "ten"),
    (whole, True),
    (whole, None),
    (whole, []),
    (whole, math.inf),
    (whole, math.nan),
    pytest.param(whole, "9" * 400, id="number-400 digits"),
    pytest.param(whole, 10**400, id="number-10**400"),
    (checks.seconds, -0.1),
    (checks.seconds, True),
    (checks.seconds, "nan"),
    (checks.seconds, "inf"),
    pytest.param(checks.seconds, 10**400, id="seconds-10**400"),
    (checks.positive_seconds, 0),
    (checks.byte_count, 0),
    (checks.switch, "maybe"),
    (checks.switch, 2),
    (checks.switch, None),
    (checks.close_code, 999),
    (checks.close_code, 1002),
    (checks.close_code, 1005),
    (checks.close_code, 1006),
    (checks.close_code, 2999),
    (checks.close_code, 5000),
    (checks.close_code, "soon"),
    (checks.close_code, None),
    (checks.close_code, True),
    (checks.close_code, 4410.5),
    (checks.close_code, math.nan),
    (checks.close_code, math.inf),
    (checks.public_url, ""),
    (checks.public_url, "ws://h/ws"),
    (checks.public_url, "http://h/{token}"),
    (checks.public_url, "ws://h/{token"),
    (checks.public_url, "ws://h/{tokn}"),
    (checks.public_url, "ws://h/{}"),
    (checks.public_url, "ws://h/{token}{server.x}"),
    (checks.public_url, "ws://h/{token}{server:d}"),
    (checks.public_url, "ws://h/{token}{path[a]}"),
    (checks.public_url, b"ws://h/{token}"),
    (checks.public_url, None),
    (checks.public_url, {"a": "ws://a/ws"}),
    (checks.function, "print"),
]


class Pipelined:
    """What an open client of Redis is known by."""

    def pipeline(self):
        raise AssertionError("a check must not use the client")


@pytest.mark.parametrize("check, value, expected", TAKEN)
def test_check_returns_what_the_option_holds_then(check, value, expected):
    taken = check(value)
    assert taken == expected
    assert type(taken) is type(expected)


@pytest.mark.parametrize("check, value", REFUSED)
def test_check_refuses_with_a_value_error_that_says_the_remedy(check, value):
    with pytest.raises(ValueError, match=r"^(give|choose|name) "):
        check(value)


def test_redis_lets_an_open_client_pass():
    client = Pipelined()
    assert checks.redis(client) is client


def test_redis_url_refuses_an_open_client():
    with pytest.raises(ValueError, match="give a URL"):
        checks.redis_url(Pipelined())
