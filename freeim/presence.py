"""Who is online: one count a client, kept right by the node that holds the sockets."""

from __future__ import annotations

from typing import Any, Iterable, NamedTuple

from .dialects import ClientId
from .scripts import load_script
from .wire import Wire


__all__ = ["Ledger", "Share"]


#: Entries of the presence stream that are kept, about: what a group that was away for
#: a while still finds. Some 100 bytes each.
STREAM_LENGTH = 100_000


class Share(NamedTuple):
    """How many sockets of a client one node holds, and the token value of the last."""

    client_id: ClientId
    sockets: int
    token_value: str


class Ledger:
    """The presence of one node, in Redis.

    `say` and `take_token` only add a command to a pipeline, so that many sockets share
    a round trip; the pipeline's answer is theirs.
    """

    def __init__(self, wire: Wire, node: str) -> None:
        self._wire = wire
        self.node = node
        self._set_sockets = load_script("set_sockets")
        self._take_token = load_script("take_token")

    def say(self, pipe: Any, share: Share) -> None:
        """Writes the node's count of a client; answers its sockets on all nodes.

        The count is absolute, so saying it again after a lost answer changes nothing.
        """
        self._say(pipe, self.node, share)

    def _say(self, pipe: Any, node: str, share: Share, reap: bool = False) -> None:
        wire = self._wire
        self._set_sockets(
            pipe,
            keys=[
                wire.online_key,
                wire.node_key(node),
                wire.meta_key(node),
                wire.client_key(share.client_id),
                wire.list_chan_key,
                wire.nodes_key,
                wire.lease_key(node),
                wire.presence_key,
            ],
            args=[
                str(share.client_id),
                share.sockets,
                # Without the closing brace: the script adds Item3.
                share.token_value.rstrip()[:-1],
                wire.online_channel,
                wire.offline_channel,
                wire.chan_key_prefix,
                node,
                STREAM_LENGTH,
                "reap" if reap else "",
            ],
        )

    def take_token(self, pipe: Any, token: str) -> None:
        """Consumes a token; answers its value, or None."""
        self._take_token(pipe, keys=[self._wire.token_key(token)])

    def totals(self, pipe: Any, client_ids: Iterable[ClientId]) -> None:
        """Asks for the sockets of clients on all nodes; answers an HMGET's list."""
        pipe.hmget(self._wire.online_key, [str(client) for client in client_ids])

    @staticmethod
    def read_totals(
        client_ids: Iterable[ClientId], answer: Iterable[Any]
    ) -> dict[ClientId, int]:
        """Pairs the answer of `totals` with the clients that were asked for."""
        return {client: int(count or 0) for client, count in zip(client_ids, answer)}
