"""Which relay node serves whom; only the drawing of the page's wants to know."""

from __future__ import annotations

from freeim import ImHelper


def nodes() -> list[str]:
    """Returns the names of all relay nodes."""
    return list(ImHelper.instance.options.servers)


def node_of(user_id: int) -> str:
    """Returns the node that a user's sockets are at: the id modulo their number."""
    names = nodes()
    return names[user_id % len(names)]
