"""Who may come in: tokens, and whether their clients are in the right place."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from ..dialects import ClientId
from ..errors import WireError
from ..options import RelayOptions
from ..presence import Ledger
from ..websocket.handshake import BAD_TOKEN, NO_REDIS, Refusal
from .clerk import Bulk, Clerk
from .metrics import Metrics


__all__ = ["Admission", "Gate"]

logger = logging.getLogger(__name__)


class Admission(NamedTuple):
    """Whose socket it will be, and the token value that says so."""

    client_id: ClientId
    token_value: str


class Gate:
    """Turns tokens into clients, each token once."""

    def __init__(
        self, ledger: Ledger, clerk: Clerk, options: RelayOptions, metrics: Metrics
    ) -> None:
        self._clerk = clerk
        self._wire = options.wire
        self._servers = options.servers
        self._server = options.server
        self._metrics = metrics
        # A token depends on nothing else that is said.
        self._take_tokens = Bulk(ledger.take_tokens, overtakes=True)
        self._misrouted = False

    def admit(self, token: str) -> Admission | Refusal:
        """Consumes a token and says whose socket may open, or why none."""
        try:
            value: Any = self._clerk.share(self._take_tokens, token).get()
        except (RedisError, OSError):
            # The clerk logged it.
            return NO_REDIS
        if value is None:
            return BAD_TOKEN
        try:
            admitted = self._wire.decode_token(value)
        except WireError as error:
            logger.warning("< token value refused: %s", error.reason)
            return BAD_TOKEN
        self._check_node(admitted.client_id)
        return Admission(admitted.client_id, value.decode())

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
