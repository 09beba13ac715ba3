"""What only an administrator may do."""

from __future__ import annotations

from flask import Blueprint

from freeim import ImHelper

from .accounts import user_of
from .chat import LONGEST_TEXT
from .database import db
from .fields import Fields
from .guard import admin
from .models import User, now


administration = Blueprint("administration", __name__, url_prefix="/api")

#: Milliseconds for which somebody who was sent away is not let in again.
KICK_LASTS = 60_000


@administration.post("/broadcast")
def post_broadcast():
    """Says something to everybody who is online."""
    broadcast(admin(), Fields.of_json().text("text", LONGEST_TEXT))
    return {}


@administration.post("/kick")
def post_kick():
    """Sends somebody away, who is not let in again for a while."""
    kick(admin(), user_of(Fields.of_json().number("id")))
    return {}


def broadcast(sender: User, text: str) -> None:
    """Pushes a text to everybody who is online; it is not kept."""
    said = {"type": "broadcast", "text": text, "from": sender.as_json()}
    ImHelper.send_broadcast_message(said)


def kick(by: User, user: User) -> None:
    """Closes a user's sockets, after telling their pages why."""
    user.kicked_until = now() + KICK_LASTS
    db().commit()
    ImHelper.send_message(0, user.id, {"type": "kicked", "by": by.name})
    ImHelper.force_offline(user.id)
