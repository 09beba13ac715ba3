"""FreeIM's payloads: the format that C# and Python share.

The pairs are written the way C# serialises tuples: `Item1`, `Item2`, … Members that we
do not know are ignored, as the C# side does; what we add are extra members only.
"""

from __future__ import annotations

import contextlib
import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import (
    Any,
    Callable,
    Iterable,
    NamedTuple,
    Sequence,
    Union,
)

from .content import compact_json, is_utf8
from .dialects import ClientId, Dialect
from .errors import InvalidArgument, WireError, shorten
from .keys import Keys


__all__ = [
    "ChanMessage",
    "Command",
    "DirectMessage",
    "ForceOffline",
    "Handover",
    "PresenceEvent",
    "Token",
    "Wire",
    "wire_text",
]

CHAN_MESSAGE = "__FreeIM__(ChanMessage)"
FORCE_OFFLINE = "__FreeIM__(ForceOffline)"
#: Ours.
HANDOVER = "__FreeIM__(Handover)"
#: What every command but a direct message begins with.
COMMAND = "__FreeIM__("

#: Receipt texts, part of the wire: "sent successfully" and "user is not online".
DELIVERED = "发送成功"
OFFLINE = "用户不在线"


class Token(NamedTuple):
    """What a one-time token stands for."""

    client_id: ClientId
    client_meta_data: str | None


class DirectMessage(NamedTuple):
    """A message to the named clients; `content` is the text frame they get."""

    sender: ClientId
    receivers: Sequence[ClientId]
    content: str
    receipt: bool


class ChanMessage(NamedTuple):
    """A message to a channel's members; `chan` None reaches every client."""

    sender: ClientId
    chan: str | None
    content: str


class ForceOffline(NamedTuple):
    """Closes all sockets of one client."""

    client_id: ClientId


class Handover(NamedTuple):
    """From here on another process of this server answers receipts, not this node."""

    node: str


# Micro-optimization (bench: direct): what all helpers write to one receiver, around the
# content; 1.6 µs a message where JSON's own way takes 2.8.
_USUAL_BEGIN = re.compile(
    r'{"Item1":(0|[1-9][0-9]{0,18}),"Item2":\[([1-9][0-9]{0,18})\],"Item3":"'
)
_USUAL_ENDS = {f',"Item4":{word}}}': word == "true" for word in ("true", "false")}

#: Reads the JSON value that a text begins with, and tells where it ends.
_raw_decode = json.JSONDecoder().raw_decode

Command = Union[DirectMessage, ChanMessage, ForceOffline, Handover]


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
        to_json = self.dialect.to_json
        return compact_json(
            {
                "Item1": to_json(message.sender),
                "Item2": [to_json(receiver) for receiver in message.receivers],
                "Item3": message.content,
                "Item4": message.receipt,
            }
        )

    def encode_chan(self, message: ChanMessage) -> str:
        body = {
            "Item1": self.dialect.to_json(message.sender),
            "Item2": message.chan,
            "Item3": message.content,
        }
        return CHAN_MESSAGE + compact_json(body)

    def encode_kick(self, command: ForceOffline) -> str:
        return f"{FORCE_OFFLINE}{command.client_id}"

    def encode_handover(self, command: Handover) -> str:
        return f"{HANDOVER}{command.node}"

    def encode_receipt(
        self, receiver: ClientId, sender: ClientId, content: str, delivered: bool
    ) -> str:
        """Returns the direct message that tells the sender what became of his."""
        answer = {"content": content, "receipt": DELIVERED if delivered else OFFLINE}
        return self.encode_direct(
            DirectMessage(receiver, [sender], compact_json(answer), False)
        )

    # Read

    def decode_command(self, data: bytes) -> Command:
        """Reads one message of a server channel."""
        text = wire_text(data)
        if not text.startswith(COMMAND):
            return _decode_direct(self.dialect, text)
        try:
            for begin, decode in _DECODERS.items():
                if text.startswith(begin):
                    return decode(self.dialect, text[len(begin) :])
        except WireError as error:
            # With the command, so that whoever reads the log finds who sent it.
            raise WireError(text, error.reason) from error
        raise WireError(text, "unknown command")

    def decode_token(self, data: bytes | str) -> Token:
        """Reads the value of a token key."""
        body = _object(wire_text(data))
        return Token(
            _id(self.dialect.check, body.get("Item1"), data),
            _optional(str, body.get("Item2"), data),
        )

    def decode_event(self, data: bytes | str) -> PresenceEvent:
        """Reads an online or offline event."""
        token = self.decode_token(data)
        sockets = _optional(int, _object(wire_text(data)).get("Item3"), data)
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


def wire_text(data: bytes | str) -> str:
    """Returns what Redis answered as a text.

    Raises:
        WireError: if it is not UTF-8.
    """
    if isinstance(data, str):
        return data
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise WireError(data, "not UTF-8") from error


def _object(text: str) -> dict[str, Any]:
    try:
        # Micro-optimization (bench: direct): json.loads spends as much time on what may
        # stand around a value as on the value.
        body, end = _raw_decode(text)
    except (ValueError, RecursionError):
        end = -1
    if end != len(text):
        body = _loads(text)
    if not isinstance(body, dict):
        raise WireError(text, "not a JSON object")
    return body


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WireError(text, "not JSON") from error


def _id(check: Callable[[Any], ClientId], value: Any, data: object) -> ClientId:
    try:
        return check(value)
    except InvalidArgument as error:
        raise WireError(data, str(error)) from error


def _optional(kind: type, value: Any, data: object) -> Any:
    if value is None or type(value) is kind:
        return value
    raise WireError(data, f"{shorten(value)} is not of type {kind.__name__}")


def _sender_and_content(dialect: Dialect, text: str) -> tuple[dict[str, Any], Any, str]:
    body = _object(text)
    sender = _id(dialect.check_sender, body.get("Item1"), text)
    content = body.get("Item3")
    if not isinstance(content, str) or not is_utf8(content):
        raise WireError(text, "Item3 is not a text")
    return body, sender, content


def _decode_direct(dialect: Dialect, text: str) -> DirectMessage:
    return _usual_direct(dialect, text) or _any_direct(dialect, text)


def _usual_direct(dialect: Dialect, text: str) -> DirectMessage | None:
    """Returns a message of the usual form; of any other JSON's own way is the judge."""
    begin = _USUAL_BEGIN.match(text)
    if begin is None:
        return None
    try:
        content, end = scanstring(text, begin.end())
        sender = dialect.check_sender(int(begin[1]))
        receiver = dialect.check_sender(int(begin[2]))
    except ValueError:
        return None
    receipt = _USUAL_ENDS.get(text[end:])
    if receipt is None or not is_utf8(content):
        return None
    return DirectMessage(sender, [receiver], content, receipt)


def _any_direct(dialect: Dialect, text: str) -> DirectMessage:
    body, sender, content = _sender_and_content(dialect, text)
    receivers = body.get("Item2")
    if not isinstance(receivers, list):
        raise WireError(text, "Item2 is not a list of ids")
    try:
        ids = [dialect.check_sender(receiver) for receiver in receivers]
    except InvalidArgument as error:
        raise WireError(text, str(error)) from error
    receipt = body.get("Item4")
    if receipt is not True and receipt is not False:
        receipt = bool(_optional(bool, receipt, text))
    return DirectMessage(sender, ids, content, receipt)


def _decode_chan(dialect: Dialect, text: str) -> ChanMessage:
    body, sender, content = _sender_and_content(dialect, text)
    # FreeIM reads "" like null: everyone.
    chan = _optional(str, body.get("Item2"), text) or None
    if chan and not is_utf8(chan):
        raise WireError(text, "Item2 holds a lone surrogate")
    return ChanMessage(sender, chan, content)


def _decode_kick(dialect: Dialect, text: str) -> ForceOffline:
    return ForceOffline(_id(dialect.from_text, text, text))


def _decode_handover(dialect: Dialect, text: str) -> Handover:
    return Handover(text)


_DECODERS: dict[str, Callable[[Dialect, str], Command]] = {
    CHAN_MESSAGE: _decode_chan,
    FORCE_OFFLINE: _decode_kick,
    HANDOVER: _decode_handover,
}
