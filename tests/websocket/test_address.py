"""Whose address counts, and whose word about it."""

from __future__ import annotations

import pytest

from freeim.websocket.address import Proxies, neighbourhood


@pytest.mark.parametrize(
    "trusted, peer, forwarded, address",
    [
        (["10.0.0.1"], "192.0.2.7", None, "192.0.2.7"),
        (["10.0.0.1"], "192.0.2.7", "198.51.100.9", "192.0.2.7"),
        (["10.0.0.1"], "10.0.0.1", "198.51.100.9", "198.51.100.9"),
        (["10.0.0.0/8"], "10.9.9.9", "198.51.100.9", "198.51.100.9"),
        # What the client claimed stands to the left of what the proxy saw.
        (["10.0.0.1"], "10.0.0.1", "1.1.1.1, 198.51.100.9", "198.51.100.9"),
        (["10.0.0.0/8"], "10.0.0.1", "1.1.1.1,198.51.100.9, 10.0.0.2", "198.51.100.9"),
        (["10.0.0.1"], "10.0.0.1", "10.0.0.1", "10.0.0.1"),
        (["10.0.0.1"], "10.0.0.1", "unknown", "10.0.0.1"),
        (["10.0.0.1"], "10.0.0.1", "", "10.0.0.1"),
        (["10.0.0.1"], "10.0.0.1", "198.51.100.9:4711", "198.51.100.9"),
        (["10.0.0.1"], "10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        (["10.0.0.1"], "10.0.0.1", "1.1.1.1, _hidden", "10.0.0.1"),
        (["::1"], "::1", "2001:db8::1", "2001:db8::1"),
        (["10.0.0.1"], "::ffff:10.0.0.1", "198.51.100.9", "198.51.100.9"),
        (["10.0.0.1"], "::ffff:192.0.2.7", None, "192.0.2.7"),
        (["*"], "192.0.2.7", "1.1.1.1, 198.51.100.9", "198.51.100.9"),
        ([], "127.0.0.1", "198.51.100.9", "127.0.0.1"),
        # A listener that is a file: whoever opens it is of this machine.
        ([], "", "198.51.100.9", "198.51.100.9"),
        ([], "", None, ""),
        ([], None, None, ""),
    ],
)
def test_only_a_known_proxy_is_believed(trusted, peer, forwarded, address):
    environ = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}
    given = {name: value for name, value in environ.items() if value is not None}
    assert Proxies(trusted).address(given) == address


@pytest.mark.parametrize("bad", ["lb.example.com", "10.0.0.0/33", "10.0.0.1:80"])
def test_what_is_no_network_is_refused(bad):
    with pytest.raises(ValueError):
        Proxies([bad])


@pytest.mark.parametrize(
    "address, counted_as",
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("2001:db8:1:3::9", "2001:db8:1:3::"),
        ("fe80::1%eth0", "fe80::"),
        ("nonsense:", "nonsense:"),
    ],
)
def test_a_customer_has_one_network_of_ipv6(address, counted_as):
    assert neighbourhood(address) == counted_as
