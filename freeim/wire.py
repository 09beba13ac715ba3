"""FreeIM's payloads: the format that C# and Python share.

The pairs are written the way C# serialises tuples: `Item1`, `Item2`, … Members that we
do not know are ignored, as the C# side does; what we add are extra members only.
"""

from __future__ import annotations

import contextlib
from typing import Iterable, NamedTuple

from . import commands
from .commands import ChanMessage, Command, DirectMessage, ForceOffline, Handover
from .content import compact_json
from .dialects import ClientId
from .errors import InvalidArgument, WireError
from .keys import Keys
from .wire_json import id_of, json_object, optional, wire_text


__all__ = ["PresenceEvent", "Token", "Wire"]


class Token(NamedTuple):
    """What a one-time token stands for."""

    client_id: ClientId
    client_meta_data: str | None


class PresenceEvent(NamedTuple):
    """One socket opened or closed; `sockets` is None when a C# node says it."""

    client_id: ClientId
    client_meta_data: str | None
    sockets: int | None


class Wire(Keys):
    """Names and encodings of one system.

    Decoders raise `WireError` on anything that is not in the format.
    """

    # Written

    def encode_token(self, token: Token) -> str:
        return compact_json(
            {
                "Item1": self.dialect.to_json(token.client_id),
                "Item2": token.client_meta_data,
            }
        )

    def encode_direct(self, message: DirectMessage) -> str:
        return commands.encode_direct(self.dialect, message)

    def encode_chan(self, message: ChanMessage) -> str:
        return commands.encode_chan(self.dialect, message)

    def encode_kick(self, command: ForceOffline) -> str:
        return commands.encode_kick(command)

    def encode_handover(self, command: Handover) -> str:
        return commands.encode_handover(command)

    def encode_receipt(
        self, receiver: ClientId, sender: ClientId, content: str, delivered: bool
    ) -> str:
        """Returns the direct message that tells the sender what became of his."""
        return commands.encode_receipt(
            self.dialect, receiver, sender, content, delivered
        )

    # Read

    def decode_command(self, data: bytes) -> Command:
        """Reads one message of a server channel."""
        return commands.decode_command(self.dialect, data)

    def decode_token(self, data: bytes | str) -> Token:
        """Reads the value of a token key."""
        body = json_object(wire_text(data))
        return Token(
            id_of(self.dialect.check, body.get("Item1"), data),
            optional(str, body.get("Item2"), data),
        )

    def decode_event(self, data: bytes | str) -> PresenceEvent:
        """Reads an online or offline event."""
        token = self.decode_token(data)
        sockets = optional(int, json_object(wire_text(data)).get("Item3"), data)
        return PresenceEvent(token.client_id, token.client_meta_data, sockets)

    def decode_ids(self, names: Iterable[bytes | str]) -> list[ClientId]:
        """Reads the fields of a hash of clients; those that are no ids are left out.

        FreeIM skips them too: another program wrote them.
        """
        names = list(names)
        ids = self.dialect.from_fields(names)
        if ids is not None:
            return ids
        ids = []
        for name in names:
            with contextlib.suppress(InvalidArgument, WireError):
                ids.append(self.dialect.from_text(wire_text(name)))
        return ids
