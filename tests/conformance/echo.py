"""A relay's connections with an echo behind them, for the conformance tests only.

    gunicorn -k gevent tests.conformance.echo:app

The handshake, the socket, the frames and the closing are the relay's; there is no
Redis, any token will do, and messages come back instead of being thrown away.
"""

from __future__ import annotations

from wsproto.events import TextMessage

from freeim.relay.connection import Connection
from freeim.relay.sending import Terms
from freeim.relay.transport import find_door
from freeim.websocket.deflate import deflated_text_frame
from freeim.websocket.frames import FIN, text_frame
from freeim.websocket.handshake import Refusal, check_upgrade
from freeim.websocket.protocol import Protocol


#: The longest message of the suite.
LIMIT = 16 * 1024 * 1024

TEXT, BINARY = 0x1, 0x2


class EchoProtocol(Protocol):
    """Answers messages with themselves."""

    __slots__ = ("_pieces",)

    def __init__(self, deflates):
        super().__init__(LIMIT, deflates)
        self._pieces = []

    def _message(self, event):
        piece, is_text = event.data, isinstance(event, TextMessage)
        self._pieces.append(piece.encode() if is_text else bytes(piece))
        if event.message_finished:
            content = b"".join(self._pieces)
            self._pieces.clear()
            self._to_send += self._frame(content, TEXT if is_text else BINARY)

    def _frame(self, content, opcode):
        frame = (deflated_text_frame if self._deflates else text_frame)(content)
        # The relay sends texts only; a binary message differs in its opcode.
        return bytes([frame[0] & ~TEXT | opcode]) + frame[1:]


def nothing(*_):
    """Takes what a connection says at its end."""


TERMS = Terms(
    outbox_limit=4 * LIMIT,
    message_limit=LIMIT,
    frame_rate=0,
    on_end=nothing,
    on_settled=nothing,
)


def app(environ, start_response):
    """Opens a socket as the relay does, for whoever asks."""
    door = find_door(environ)
    upgrade = check_upgrade(environ, compress=True)
    if isinstance(upgrade, Refusal) or door is None:
        text = upgrade.text if isinstance(upgrade, Refusal) else "no socket"
        start_response("400 Bad Request", [("Content-Type", "text/plain")])
        return [text.encode()]
    # gevent-websocket's worker has answered already, and knows no extensions.
    deflates = upgrade.deflates and not door.upgraded
    head = b"" if door.upgraded else upgrade.response()
    transport = door.take()
    connection = Connection(transport, 1, "", head, TERMS)
    connection._protocol = EchoProtocol(deflates)
    connection.start()
    return door.leave()


assert FIN | TEXT == text_frame(b"")[0]
