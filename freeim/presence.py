"""Who is online: one count a client, kept right by the nodes that hold the sockets.

A node is one relay process, from its start to its end. It has a lease, which it renews
while it lives, and a hash of the sockets that it holds. `{P}Online` is the sum of the
hashes, and of what C# nodes count, which nobody here touches.
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping, NamedTuple, Sequence

from .dialects import ClientId
from .scripts import load_script
from .status import Report
from .wire import Token, Wire
from .wire_json import wire_text


__all__ = ["LIVES", "Ledger", "Share"]

#: Entries of the presence stream that are kept, about: what a group that was away for
#: a while still finds. Some 100 bytes each.
STREAM_LENGTH = 100_000

#: Seconds for which a lease is good, unless another time is given.
LEASE_TTL = 15.0

#: The answer of `reap` if the node lives after all.
LIVES = -1

#: The last argument of scripts that another node runs for one that is dead.
REAP = "reap"


class Share(NamedTuple):
    """How many sockets of a client one node holds, and the token value of the last."""

    client_id: ClientId
    sockets: int
    token_value: str


class Ledger:
    """The presence of one node, in Redis.

    Each method that takes a pipeline adds exactly one command to it, for one client or
    for many, so that many sockets share a round trip; the pipeline's answer is theirs.
    """

    def __init__(self, wire: Wire, node: str, lease_ttl: float = LEASE_TTL) -> None:
        """Takes the seconds for which a lease is good."""
        self._wire = wire
        self.node = node
        self._lease_ttl = lease_ttl
        self._set_sockets = load_script("set_sockets")
        self._mend_online = load_script("mend_online")
        self._renew_lease = load_script("renew_lease")
        self._forget_node = load_script("forget_node")
        self._take_tokens = load_script("take_tokens")
        #: How many words this node has said; Redis does not listen to old ones.
        self._words = 0

    # Counts

    def say(self, pipe: Any, shares: Sequence[Share]) -> None:
        """Writes the node's counts of clients; answers their sockets on all nodes.

        A count is absolute, so saying it again after a lost answer changes nothing, and
        words are numbered, so one that comes late does not undo a later one.
        """
        self._words += 1
        self._say(pipe, shares, self._words)

    def reap(self, pipe: Any, client_ids: Sequence[ClientId]) -> None:
        """Takes clients' counts away from a node that is dead; answers like `say`.

        Answers `LIVES`, and does nothing, if the node's lease is there.
        """
        # The script knows the token value of the client's last socket better.
        shares = [
            Share(client_id, 0, self._wire.encode_token(Token(client_id, "")))
            for client_id in client_ids
        ]
        self._say(pipe, shares, REAP)

    def _say(self, pipe: Any, shares: Sequence[Share], word: int | str) -> None:
        wire = self._wire
        args: list[int | str] = [
            self.node,
            word,
            wire.online_channel,
            wire.offline_channel,
            wire.client_key_prefix,
            wire.chan_key_prefix,
            STREAM_LENGTH,
            _milliseconds(self._lease_ttl),
        ]
        for client_id, sockets, token_value in shares:
            args += (str(client_id), sockets, _open_object(token_value))
        self._set_sockets(
            pipe,
            keys=[
                wire.online_key,
                wire.node_key(self.node),
                wire.meta_key(self.node),
                wire.list_chan_key,
                wire.nodes_key,
                wire.lease_key(self.node),
                wire.presence_key,
            ],
            args=args,
        )

    def mend_total(self, pipe: Any, share: Share) -> None:
        """Raises a client's count on all nodes to what our nodes hold together.

        Answers 1 if it was less, else 0.
        """
        wire = self._wire
        self._mend_online(
            pipe,
            keys=[wire.online_key, wire.nodes_key, wire.presence_key],
            args=[
                str(share.client_id),
                _open_object(share.token_value),
                wire.node_key(""),
                wire.online_channel,
                STREAM_LENGTH,
            ],
        )

    def held(self, pipe: Any) -> None:
        """Asks what Redis knows of this node; answers an HGETALL's mapping."""
        pipe.hgetall(self._wire.node_key(self.node))

    def read_held(self, answer: Mapping[Any, Any]) -> dict[ClientId, int]:
        """Returns the answer of `held` as sockets by client."""
        from_text = self._wire.dialect.from_text
        return {from_text(wire_text(one)): int(answer[one]) for one in answer}

    def totals(self, pipe: Any, client_ids: Iterable[ClientId]) -> None:
        """Asks for the sockets of clients on all nodes; answers an HMGET's list."""
        pipe.hmget(self._wire.online_key, [str(client) for client in client_ids])

    @staticmethod
    def read_totals(
        client_ids: Iterable[ClientId], answer: Iterable[Any]
    ) -> dict[ClientId, int]:
        """Pairs the answer of `totals` with the clients that were asked for."""
        return {client: int(count or 0) for client, count in zip(client_ids, answer)}

    # The node itself

    def renew(
        self, pipe: Any, seconds: float | None = None, report: Report | None = None
    ) -> None:
        """Says that the node lives, good for as long as its leases are, or `seconds`.

        Args:
            report: how it is doing, there for as long; None takes the last one away.

        Answers 1 if its lease was unbroken, else 0: then its counts may be gone.
        """
        wire = self._wire
        self._renew_lease(
            pipe,
            keys=[
                wire.lease_key(self.node),
                wire.nodes_key,
                wire.status_key(self.node),
            ],
            args=[
                self.node,
                _milliseconds(seconds or self._lease_ttl),
                *(report.as_fields() if report is not None else ()),
            ],
        )

    def forget(self, pipe: Any, dead: bool = False) -> None:
        """Forgets the node if it holds no socket; answers 1 if it was forgotten now.

        Args:
            dead: another node says it; nothing happens if the lease is there.
        """
        wire = self._wire
        self._forget_node(
            pipe,
            keys=[
                wire.lease_key(self.node),
                wire.nodes_key,
                wire.node_key(self.node),
                wire.status_key(self.node),
            ],
            args=[self.node, REAP if dead else ""],
        )

    # Tokens

    def take_tokens(self, pipe: Any, tokens: Sequence[str]) -> None:
        """Consumes tokens; answers a list of their values, None for one that is bad."""
        self._take_tokens(pipe, keys=[self._wire.token_key(one) for one in tokens])


def _milliseconds(seconds: float) -> int:
    return max(int(seconds * 1000), 1)


def _open_object(token_value: str) -> str:
    # Without the closing brace: the scripts add Item3.
    return token_value.rstrip()[:-1]
