"""Who may come in: caps, tokens, and whether their clients are in the right place."""

from __future__ import annotations

import logging
import time
from typing import Any, Callable, NamedTuple, Sequence

from redis.exceptions import RedisError

from ..dialects import ClientId
from ..errors import WireError
from ..options import RelayOptions
from ..presence import Ledger
from ..websocket.address import Visitor
from ..websocket.handshake import BAD_TOKEN, CLIENT_FULL, NO_REDIS, Refusal
from .caps import Caps, room_for_sockets
from .clerk import Bulk, Clerk
from .metrics import Metrics


__all__ = ["Admission", "Gate"]

logger = logging.getLogger(__name__)


class Admission(NamedTuple):
    """Whose socket it will be, the token value that says so, and who came with it."""

    client_id: ClientId
    token_value: str
    visitor: Visitor


class Gate:
    """Turns tokens into clients, each token once."""

    def __init__(
        self,
        ledger: Ledger,
        clerk: Clerk,
        options: RelayOptions,
        metrics: Metrics,
        sockets_of: Callable[[ClientId], Sequence[object]],
        serves: Callable[[], bool],
    ) -> None:
        """Takes what a gate needs.

        Args:
            sockets_of: returns the sockets that a client has here.
            serves: waits a moment for Redis, and tells whether it is there.
        """
        self._clerk = clerk
        self._wire = options.wire
        self._servers = options.servers
        self._server = options.server
        self._metrics = metrics
        self._sockets_of = sockets_of
        self._serves = serves
        self._per_client = options.max_sockets_per_client
        self.caps = Caps(
            room_for_sockets(options.max_sockets),
            options.max_sockets_per_ip,
            options.max_connects_per_second,
        )
        # A token depends on nothing else that is said.
        self._take_tokens = Bulk(ledger.take_tokens, overtakes=True)
        self._misrouted = False

    def admit(self, token: str, visitor: Visitor) -> Admission | Refusal:
        """Consumes a token and says whose socket may open, or why none.

        An admission is counted by the caps until `leave`.
        """
        refusal = self.caps.enter(visitor.address, time.monotonic())
        if refusal is not None:
            return refusal
        admission = None
        try:
            admission = self._take(token, visitor) if self._serves() else NO_REDIS
        finally:
            self.caps.arrive()
            if not isinstance(admission, Admission):
                self.leave(visitor)
        return admission

    def leave(self, visitor: Visitor) -> None:
        """Takes note that a socket has ended, or came to nothing."""
        self.caps.leave(visitor.address)

    def _take(self, token: str, visitor: Visitor) -> Admission | Refusal:
        try:
            value: Any = self._clerk.share(self._take_tokens, token).get()
        except (RedisError, OSError):
            # The clerk logged it.
            return NO_REDIS
        if value is None:
            return BAD_TOKEN
        try:
            client_id = self._wire.decode_token(value).client_id
        except WireError as error:
            logger.warning("< token value refused: %s", error.reason)
            return BAD_TOKEN
        # Nothing waits from here until the socket is counted: two cannot take the
        # last place.
        if self._per_client and len(self._sockets_of(client_id)) >= self._per_client:
            return CLIENT_FULL
        self._check_node(client_id)
        return Admission(client_id, value.decode(), visitor)

    def _check_node(self, client_id: ClientId) -> None:
        """Says once that clients come whose messages go to another node."""
        server = self._wire.dialect.select_server(client_id, self._servers)
        if server == self._server:
            return
        self._metrics.misrouted.inc()
        if not self._misrouted:
            self._misrouted = True
            logger.warning(
                "< client %s came to %s but its messages go to %s: compare servers and "
                "partition of all parts, and the addresses that public_url leads to",
                client_id,
                self._server,
                server,
            )
