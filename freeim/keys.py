"""The names of FreeIM's Redis keys and channels; no other module spells one."""

from __future__ import annotations

from dataclasses import dataclass

from .dialects import ClientId, Dialect


__all__ = ["Keys"]


@dataclass(frozen=True)
class Keys:
    """The names for one dialect, path and key prefix."""

    dialect: Dialect
    path_match: str = "/ws"
    key_prefix: str = ""

    @property
    def prefix(self) -> str:
        """`{P}` of the documents: what all keys of one system begin with."""
        path = self.path_match.replace("/", "_")
        return f"{self.key_prefix}{self.dialect.prefix}{path}"

    @property
    def token_key_prefix(self) -> str:
        return f"{self.prefix}Token"

    def token_key(self, token: str) -> str:
        return self.token_key_prefix + token

    def tokens_key(self, client_id: ClientId) -> str:
        """The set of a client's unused tokens; ours, C# does not know it."""
        return f"{self.prefix}ClientTokens{client_id}"

    @property
    def online_key(self) -> str:
        return f"{self.prefix}Online"

    @property
    def chan_key_prefix(self) -> str:
        return f"{self.prefix}Chan"

    def chan_key(self, chan: str) -> str:
        return self.chan_key_prefix + chan

    @property
    def client_key_prefix(self) -> str:
        return f"{self.prefix}Client"

    def client_key(self, client_id: ClientId) -> str:
        return f"{self.client_key_prefix}{client_id}"

    @property
    def list_chan_key(self) -> str:
        return f"{self.prefix}ListChan"

    @property
    def nodes_key(self) -> str:
        """The hash of nodes: relay processes that run or are to be reaped; ours."""
        return f"{self.prefix}Nodes"

    def node_key(self, node: str) -> str:
        """The hash of sockets that one relay process holds; ours."""
        return f"{self.prefix}Node{node}"

    def meta_key(self, node: str) -> str:
        """The hash of what a node's clients came with; ours."""
        return f"{self.prefix}Meta{node}"

    def lease_key(self, node: str) -> str:
        """The key that says, while it is there, that a node lives; ours."""
        return f"{self.prefix}Lease{node}"

    def status_key(self, node: str) -> str:
        """The hash of what a node says of itself; ours."""
        return f"{self.prefix}Status{node}"

    @property
    def presence_key(self) -> str:
        """The stream of clients that came online or went offline; ours."""
        return f"{self.prefix}Presence"

    def group_key(self, group: str) -> str:
        """The lease of the process that handles the stream for a group; ours."""
        return f"{self.prefix}Group{group}"

    def parked_key(self, group: str) -> str:
        """The stream of what a group's handlers could not handle; ours."""
        return f"{self.prefix}Parked{group}"

    def probe_channel(self, node: str) -> str:
        """Where a node probes whether it hears, and hears orders; ours."""
        return f"{self.prefix}Probe{node}"

    def server_channel(self, server: str) -> str:
        return f"{self.prefix}Server{server}"

    @property
    def online_channel(self) -> str:
        return f"evt_{self.prefix}Online"

    @property
    def offline_channel(self) -> str:
        return f"evt_{self.prefix}Offline"
