"""The endpoints of the C# sample, which believed what the form said.

Here the form may still say who sends, but only what the session says as well.
"""

from __future__ import annotations

import secrets

from flask import Blueprint

from freeim import ImHelper

from .accounts import user_of
from .admin import broadcast
from .chat import LONGEST_TEXT, send
from .errors import Refused
from .fields import Fields
from .guard import admin, me
from .models import User
from .presence import admit
from .rooms import (
    LONGEST_ROOM,
    create_room,
    find_room,
    join_room,
    leave_room,
    names_of_rooms,
    room_of,
)


original = Blueprint("original", __name__, url_prefix="/ws")


@original.errorhandler(Refused)
def refused(error: Refused):
    """Answers as the C# sample does, beside our own words."""
    return {"code": 1, "message": str(error), "error": str(error)}, error.status


@original.post("/pre-connect")
def pre_connect():
    """Gives the browser the address for its WebSocket."""
    user = sender("websocketId")
    return {"code": 0, "server": admit(user), "websocketId": user.id}


@original.route("/offline", methods=["GET", "POST"])
def offline():
    """Closes all sockets of one's own."""
    ImHelper.force_offline(sender("websocketId").id)
    return {"code": 0}


@original.post("/get-channels")
def get_channels():
    """Lists the rooms with their head counts, and those that one is in."""
    user = sender("websocketId")
    counts = ImHelper.get_chan_list()
    rooms = [{"chan": chan, "online": count} for chan, count in counts]
    return {"code": 0, "channels": rooms, "joined": names_of_rooms(user.id)}


@original.post("/subscr-channel")
def subscr_channel():
    """Takes one into a room, which is made if there is none."""
    user, name = sender("websocketId"), form().line("channel", LONGEST_ROOM)
    join_room(user, find_room(name) or create_room(name))
    return {"code": 0}


@original.post("/leave-channel")
def leave_channel():
    """Takes one out of a room."""
    user = sender("websocketId")
    leave_room(user, room_of(form().line("channel", LONGEST_ROOM)))
    return {"code": 0}


@original.post("/send-channelmsg")
def send_channelmsg():
    """Sends a message to a room."""
    user = sender("websocketId")
    room = room_of(form().line("channel", LONGEST_ROOM))
    send(user, room, text(), secrets.token_hex(16))
    return {"code": 0}


@original.post("/send-broadcast")
def send_broadcast():
    """Says something to everybody who is online."""
    broadcast(admin(), text())
    return {"code": 0}


@original.post("/send-msg")
def send_msg():
    """Sends a message to a friend; the receipt comes through the socket."""
    user = sender("senderWebsocketId")
    receiver = user_of(form().number("receiveWebsocketId"))
    send(user, receiver, text(), secrets.token_hex(16))
    return {"code": 0}


def form() -> Fields:
    return Fields.of_form()


def text() -> str:
    return form().text("message", LONGEST_TEXT)


def sender(field: str) -> User:
    """Returns the user of the session, whom the form must not contradict."""
    user = me()
    if field in form() and form().number(field) != user.id:
        raise Refused(403, "not_you", f"{field} is not yours")
    return user
