"""What Redis knows of a walk: its token, the node that holds its socket."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

from ..client import ImClient
from ..dialects import ClientId
from ..errors import ConfigurationError
from ..redis_client import check_redis
from ..wire import Token
from ..wire_json import wire_text
from .findings import Fault


__all__ = ["Witness", "reserved_id"]

#: Client ids that the doctor takes: the last of each dialect, as many as these. No
#: counter reaches them, and no random GUID ends up among them.
RESERVED = 1 << 16
LAST = {"v2": (1 << 63) - 1, "v1": (1 << 128) - 1}
#: An id as its dialect has it.
KINDS: dict[str, Any] = {"v2": int, "v1": lambda number: UUID(int=number)}


def reserved_id(client: ImClient, server: str) -> ClientId:
    """Returns a reserved client id whose messages go to a server, at random.

    Two doctors at the same time are two clients.
    """
    dialect, servers = client.wire.dialect, client.options.servers
    while True:
        number = LAST[dialect.name] - secrets.randbelow(RESERVED)
        client_id: ClientId = KINDS[dialect.name](number)
        if dialect.select_server(client_id, servers) == server:
            return client_id


class Witness:
    """Looks at the keys of one system, and changes none of them."""

    def __init__(self, client: ImClient) -> None:
        self.client = client
        self._wire = client.wire
        self._before: dict[str, int] = {}
        self._online_before = 0

    def check(self) -> str:
        """Asks Redis for a sign of life, and for the nodes.

        Raises:
            Fault: if it gives none.
        """
        try:
            check_redis(self.client.redis, str(self.client.options.redis))
        except ConfigurationError as error:
            kind = "refused" if "password" in error.remedy else "unreachable"
            seen = str(error).partition(": ")[0]
            raise Fault("redis", kind, seen, remedy=error.remedy) from error
        nodes = sorted({server_of(node) for node in self._nodes()})
        return f"answers; nodes: {', '.join(nodes) or 'none of ours'}"

    def token(self, token: str) -> Token | None:
        """Returns what a token stands for, while it is unused."""
        value = self.client.redis.get(self._wire.token_key(token))
        return None if value is None else self._wire.decode_token(value)

    def server_of_messages(self, client_id: ClientId) -> str:
        """Returns where the messages of a client go."""
        servers = self.client.options.servers
        return self._wire.dialect.select_server(client_id, servers)

    def note(self, client_id: ClientId) -> None:
        """Notes who holds sockets of a client already."""
        self._before = self._held(client_id)
        self._online_before = self._online(client_id)

    def holder(self, client_id: ClientId) -> str | None:
        """Returns the server that holds a socket more than `note` saw.

        An empty text stands for a node that does not say so: C#'s only count.
        """
        for node, sockets in self._held(client_id).items():
            if sockets > self._before.get(node, 0):
                return server_of(node)
        return "" if self._online(client_id) > self._online_before else None

    def _online(self, client_id: ClientId) -> int:
        redis: Any = self.client.redis
        return int(redis.hget(self._wire.online_key, str(client_id)) or 0)

    def _nodes(self) -> list[str]:
        redis: Any = self.client.redis
        return [wire_text(node) for node in redis.hkeys(self._wire.nodes_key)]

    def _held(self, client_id: ClientId) -> dict[str, int]:
        nodes = self._nodes()
        pipe: Any = self.client.redis.pipeline(transaction=False)
        for node in nodes:
            pipe.hget(self._wire.node_key(node), str(client_id))
        return {node: int(count or 0) for node, count in zip(nodes, pipe.execute())}


def server_of(node: str) -> str:
    """Returns the server whose process a node is."""
    return node.rpartition(":")[0]
