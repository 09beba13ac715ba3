"""What a relay is told by its server's channel: the messages, and how they are written.

The pairs are written the way C# serialises tuples: `Item1`, `Item2`, … Members that we
do not know are ignored, as the C# side does.
"""

from __future__ import annotations

import re
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, Callable, NamedTuple, Sequence, Union

from .content import compact_json, is_utf8
from .dialects import ClientId, Dialect
from .errors import InvalidArgument, WireError
from .wire_json import id_of, json_object, optional, wire_text


__all__ = [
    "ChanMessage",
    "Command",
    "DirectMessage",
    "ForceOffline",
    "Handover",
    "decode_command",
    "encode_chan",
    "encode_direct",
    "encode_handover",
    "encode_kick",
    "encode_receipt",
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


Command = Union[DirectMessage, ChanMessage, ForceOffline, Handover]


# Micro-optimization (bench: direct): what all helpers write to one receiver, around the
# content; 1.6 µs a message where JSON's own way takes 2.8.
_USUAL_BEGIN = re.compile(
    r'{"Item1":(0|[1-9][0-9]{0,18}),"Item2":\[([1-9][0-9]{0,18})\],"Item3":"'
)
_USUAL_ENDS = {f',"Item4":{word}}}': word == "true" for word in ("true", "false")}


# Written


def encode_direct(dialect: Dialect, message: DirectMessage) -> str:
    to_json = dialect.to_json
    return compact_json(
        {
            "Item1": to_json(message.sender),
            "Item2": [to_json(receiver) for receiver in message.receivers],
            "Item3": message.content,
            "Item4": message.receipt,
        }
    )


def encode_chan(dialect: Dialect, message: ChanMessage) -> str:
    body = {
        "Item1": dialect.to_json(message.sender),
        "Item2": message.chan,
        "Item3": message.content,
    }
    return CHAN_MESSAGE + compact_json(body)


def encode_kick(command: ForceOffline) -> str:
    return f"{FORCE_OFFLINE}{command.client_id}"


def encode_handover(command: Handover) -> str:
    return f"{HANDOVER}{command.node}"


def encode_receipt(
    dialect: Dialect,
    receiver: ClientId,
    sender: ClientId,
    content: str,
    delivered: bool,
) -> str:
    """Returns the direct message that tells the sender what became of his."""
    answer = {"content": content, "receipt": DELIVERED if delivered else OFFLINE}
    return encode_direct(
        dialect, DirectMessage(receiver, [sender], compact_json(answer), False)
    )


# Read


def decode_command(dialect: Dialect, data: bytes) -> Command:
    """Reads one message of a server channel.

    Raises:
        WireError: if it is not in the format.
    """
    text = wire_text(data)
    if not text.startswith(COMMAND):
        return _decode_direct(dialect, text)
    try:
        for begin, decode in _DECODERS.items():
            if text.startswith(begin):
                return decode(dialect, text[len(begin) :])
    except WireError as error:
        # With the command, so that whoever reads the log finds who sent it.
        raise WireError(text, error.reason) from error
    raise WireError(text, "unknown command")


def _sender_and_content(dialect: Dialect, text: str) -> tuple[dict[str, Any], Any, str]:
    body = json_object(text)
    sender = id_of(dialect.check_sender, body.get("Item1"), text)
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
        receipt = bool(optional(bool, receipt, text))
    return DirectMessage(sender, ids, content, receipt)


def _decode_chan(dialect: Dialect, text: str) -> ChanMessage:
    body, sender, content = _sender_and_content(dialect, text)
    # FreeIM reads "" like null: everyone.
    chan = optional(str, body.get("Item2"), text) or None
    if chan and not is_utf8(chan):
        raise WireError(text, "Item2 holds a lone surrogate")
    return ChanMessage(sender, chan, content)


def _decode_kick(dialect: Dialect, text: str) -> ForceOffline:
    return ForceOffline(id_of(dialect.from_text, text, text))


def _decode_handover(dialect: Dialect, text: str) -> Handover:
    return Handover(text)


_DECODERS: dict[str, Callable[[Dialect, str], Command]] = {
    CHAN_MESSAGE: _decode_chan,
    FORCE_OFFLINE: _decode_kick,
    HANDOVER: _decode_handover,
}
