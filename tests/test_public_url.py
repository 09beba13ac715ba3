"""Addresses for browsers: what templates and mappings make, and what is refused."""

from __future__ import annotations

import pytest

from freeim import ConfigurationError, ImClientOptions
from freeim.public_url import address_of


DEFAULT = "ws://{server}{path}?token={token}"
NAMED = "wss://im.example.com/{server}/ws?token={token}"


def addresses(servers, public_url=DEFAULT, path_match="/ws"):
    """Returns the address of each server, for the token T."""
    options = ImClientOptions(
        servers=servers, public_url=public_url, path_match=path_match
    )
    return [
        address_of(options.public_url, server, options.path_match, "T")
        for server in options.servers
    ]


@pytest.mark.parametrize(
    "servers, public_url, expected",
    [
        (["im-1:6001"], DEFAULT, ["ws://im-1:6001/ws?token=T"]),
        (["[::1]:6001"], DEFAULT, ["ws://[::1]:6001/ws?token=T"]),
        (["[2001:db8::1]"], "wss://{server}/{token}", ["wss://[2001:db8::1]/T"]),
        (
            ["a", "b"],
            NAMED,
            [
                "wss://im.example.com/a/ws?token=T",
                "wss://im.example.com/b/ws?token=T",
            ],
        ),
        # A name with a port, as a part of a path.
        (
            ["127.0.0.1:6001"],
            NAMED,
            ["wss://im.example.com/127.0.0.1:6001/ws?token=T"],
        ),
        (
            ["a", "b"],
            "wss://{server}.example.com:8443{path}?v=1&token={token}",
            [
                "wss://a.example.com:8443/ws?v=1&token=T",
                "wss://b.example.com:8443/ws?v=1&token=T",
            ],
        ),
        (
            ["a", "b"],
            {"b": "wss://two/?token={token}", "a": DEFAULT, "gone": DEFAULT},
            ["ws://a/ws?token=T", "wss://two/?token=T"],
        ),
        # One node needs no {server}.
        (
            ["a"],
            "wss://im.example.com/?token={token}",
            ["wss://im.example.com/?token=T"],
        ),
    ],
)
def test_what_addresses_look_like(servers, public_url, expected):
    assert addresses(servers, public_url) == expected


@pytest.mark.parametrize(
    "servers, public_url, says",
    [
        (["a"], "wss://h/ws", "public_url='wss://h/ws': give a template with {token}"),
        (["a"], "https://h/{token}", "begins with wss://, or ws:// where"),
        (["a"], "h/{token}", "begins with wss://"),
        (["a"], "ws://{host}/{token}", "with {server}, {path} and {token} only"),
        (["a"], "ws://h/{token", "with {server}, {path} and {token} only"),
        (["a"], {"a": "ws://h/"}, "(the template of 'a')"),
        (["a"], {"a": None}, "(the template of 'a')"),
        (["a", "b"], {"a": DEFAULT}, "add a template for 'b'"),
        (["a"], {}, "add a template for 'a'"),
        (
            ["a", "b"],
            "wss://im.example.com{path}?token={token}",
            "'a' and 'b' have the same address, but each client must reach its own",
        ),
        (
            ["a", "b", "c"],
            {"a": NAMED, "b": "wss://h/?{token}", "c": "wss://h/?{token}"},
            "'b' and 'c' have the same address",
        ),
        (["::1:6001"], DEFAULT, "an IPv6 address in brackets, [::1]:6001"),
        (["a:70000"], DEFAULT, "'ws://a:70000/ws?token=…', the address of 'a:70000',"),
        (["a:ws"], DEFAULT, "is no URL"),
        (["a b"], DEFAULT, "holds ' '"),
        (["node#1"], NAMED, "holds '#'"),
        (["a"], "wss://:6001/{token}", "is no URL"),
    ],
)
def test_what_is_refused_in_one_line(servers, public_url, says):
    with pytest.raises(ConfigurationError) as caught:
        ImClientOptions(servers=servers, public_url=public_url)
    line = str(caught.value)
    assert line.startswith("public_url="), line
    assert says in line, line
    assert "\n" not in line


def test_the_path_of_the_relay_is_in_the_address():
    assert addresses(["a"], path_match="/im/ws") == ["ws://a/im/ws?token=T"]
