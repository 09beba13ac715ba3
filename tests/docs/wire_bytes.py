"""The wire, one of each, as the bytes that docs/wire-format.md shows."""

from __future__ import annotations

from typing import NamedTuple

from freeim import ImClientOptions
from freeim.commands import ChanMessage, DirectMessage, ForceOffline, Handover
from freeim.orders import DrainOrder, encode_drain
from freeim.websocket.frames import CloseReason, close_frame, ping_frame, text_frame
from freeim.wire import Token


SERVERS = ["127.0.0.1:6001", "127.0.0.1:6002"]

WIRE = ImClientOptions(servers=SERVERS).wire

#: Bytes in a line of a dump.
WIDTH = 16


class Example(NamedTuple):
    """Bytes, and where they are seen."""

    title: str
    place: str
    data: bytes


def event():
    """Returns an event: a token's value, and what the relay's script adds to it."""
    token = WIRE.encode_token(Token(7, "10.0.0.1"))
    return f'{token[:-1]},"Item3":0}}'


def publish(client_id):
    """Returns the command for what goes to a client's node."""
    server = WIRE.dialect.select_server(client_id, SERVERS)
    return f"PUBLISH {WIRE.server_channel(server)}"


def examples():
    """Returns one of each."""
    hello = '{"text":"你好"}'
    everybody = f"PUBLISH {WIRE.server_channel(SERVERS[0])}"
    texts = [
        (
            "A token",
            f"SET {WIRE.token_key('…')}",
            WIRE.encode_token(Token(7, "10.0.0.1")),
        ),
        (
            "A direct message, from 1 to 2, with a receipt",
            publish(2),
            WIRE.encode_direct(DirectMessage(1, [2], hello, True)),
        ),
        (
            "A message to a channel",
            everybody,
            WIRE.encode_chan(ChanMessage(1, "room", '"hi"')),
        ),
        ("A broadcast", everybody, WIRE.encode_chan(ChanMessage(0, None, '"hi"'))),
        ("A kick", publish(7), WIRE.encode_kick(ForceOffline(7))),
        (
            "A handover",
            publish(7),
            WIRE.encode_handover(Handover(f"{SERVERS[1]}:5f2b8c01d9e7a634")),
        ),
        ("A receipt, from 2 to 1", publish(1), WIRE.encode_receipt(2, 1, '"hi"', True)),
        ("An event", f"PUBLISH {WIRE.offline_channel}", event()),
        (
            "An order to drain",
            f"PUBLISH {WIRE.probe_channel(SERVERS[0] + ':…')}",
            encode_drain(DrainOrder(None)),
        ),
    ]
    frames = [
        ("A message to the browser", text_frame(hello.encode())),
        ("A ping", ping_frame()),
        ("A kick", close_frame(CloseReason.KICKED.code, CloseReason.KICKED.text)),
    ]
    return [
        *(Example(title, f"`{place}`", text.encode()) for title, place, text in texts),
        *(Example(title, "WebSocket frame", data) for title, data in frames),
    ]


def dump(data):
    """Returns bytes as a dump: offset, hexadecimal, and what of it is ASCII."""
    lines = []
    for offset in range(0, len(data), WIDTH):
        part = data[offset : offset + WIDTH]
        shown = "".join(chr(one) if 32 <= one < 127 else "." for one in part)
        lines.append(f"{offset:04x}  {part.hex(' '):<{3 * WIDTH - 1}}  {shown}")
    return "\n".join(lines)


def undump(text):
    """Returns the bytes of a dump."""
    return b"".join(
        bytes.fromhex(line[6 : 6 + 3 * WIDTH]) for line in text.splitlines()
    )


def render():
    """Returns all of it as Markdown."""
    return "\n\n".join(
        f"{one.title} ({one.place}, {len(one.data)} bytes):\n\n"
        f"```text\n{dump(one.data)}\n```"
        for one in examples()
    )
