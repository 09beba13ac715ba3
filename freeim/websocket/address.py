"""Whose socket it is, as far as the network says: the address of a client.

Behind a proxy all sockets come from the proxy. Its `X-Forwarded-For` is believed only
if the proxy is one that we know: anybody may send that header.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Iterable, Mapping, NamedTuple


__all__ = ["ANY", "NOBODY", "Proxies", "Visitor", "neighbourhood"]

#: Stands for every peer: then somebody else keeps strangers away from us.
ANY = "*"

#: How an IPv4 address looks where a listener takes both kinds.
MAPPED = "::ffff:"

#: Bits of an IPv6 address that a provider gives to one customer.
CUSTOMER = 64


class Visitor(NamedTuple):
    """Where a socket comes from; empty where nobody said."""

    address: str
    #: Of the page that opens it, as its browser says.
    origin: str


NOBODY = Visitor("", "")


class Proxies:
    """The peers whose word about their client's address counts."""

    def __init__(self, trusted: Iterable[str]) -> None:
        """Takes addresses and networks, or `*` for every peer."""
        networks = list(trusted)
        self._any = ANY in networks
        self._networks = [
            ipaddress.ip_network(network, strict=False)
            for network in networks
            if network != ANY
        ]

    def __repr__(self) -> str:
        return f"<Proxies {'any' if self._any else self._networks}>"

    def address(self, environ: Mapping[str, Any]) -> str:
        """Returns the address of a request's client; empty if nobody knows it.

        Read from the right, as far as known proxies wrote it: what stands further left
        is the client's own claim.
        """
        peer: str = environ.get("REMOTE_ADDR") or ""
        if peer.startswith(MAPPED):
            peer = peer[len(MAPPED) :]
        forwarded = environ.get("HTTP_X_FORWARDED_FOR")
        if not forwarded or not (self._any or not peer or self._knows(peer)):
            # A peer without an address speaks through a file: a proxy of this machine.
            return peer
        address = peer
        for hop in reversed(forwarded.split(",")):
            hop = _without_port(hop.strip())
            if not _is_address(hop):
                break
            address = hop
            if not self._knows(hop):
                break
        return address

    def _knows(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def neighbourhood(address: str) -> str:
    """Returns what is counted as one address: of IPv6 a customer's whole network."""
    if ":" not in address:
        return address
    try:
        network = ipaddress.IPv6Network((address.partition("%")[0], CUSTOMER), False)
    except ValueError:
        return address
    return str(network.network_address)


def _without_port(hop: str) -> str:
    # Some proxies write 192.0.2.1:4711 and [2001:db8::1]:4711.
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
