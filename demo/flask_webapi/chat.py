"""Example 1, A writes to B: check, store, then push.

The database is what counts. A push may be lost, as may the answer to the page: the page
sends the same key again, which stores nothing twice, and it tells by the message's id
what it has already.
"""

from __future__ import annotations

from typing import Union

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from freeim import ImHelper

from .accounts import user_of
from .database import db
from .errors import Refused
from .fields import Fields
from .friends import are_friends
from .models import File, Message, Room, User
from .nodes import node_of
from .rooms import LONGEST_ROOM, is_member, room_of


#: Where a message may go.
Place = Union[User, Room]

LONGEST_TEXT, LONGEST_KEY = 2000, 64

#: The sender of what everybody gets, whoever wrote it included.
NOBODY = 0


def place_of(fields: Fields) -> Place:
    """Returns the user or the room that the fields name."""
    if "room" in fields:
        return room_of(fields.line("room", LONGEST_ROOM))
    return user_of(fields.number("user"))


def check_may_write(sender: User, place: Place) -> None:
    """Refuses a message to somebody who is no friend, or to a room of others."""
    if isinstance(place, Room):
        check_is_member(sender, place)
    elif place.id == sender.id:
        raise Refused(400, "yourself", "that is you")
    elif not are_friends(sender, place):
        raise Refused(403, "not_friends", f"you and {place.name} are not friends")


def check_is_member(user: User, room: Room) -> None:
    """Refuses those who are not in a room."""
    if not is_member(user, room):
        raise Refused(403, "not_member", f"you are not in the room {room.name}")


def send(
    sender: User, place: Place, text: str, key: str, file: File | None = None
) -> Message:
    """Sends a message: stores it first, then has the relay push it."""
    check_may_write(sender, place)
    message = store(sender, place, text, key, file)
    push(message, place)
    return message


def store(
    sender: User, place: Place, text: str, key: str, file: File | None = None
) -> Message:
    """Stores a message; returns the one that was stored with this key before."""
    in_room = isinstance(place, Room)
    message = Message(
        sender=sender,
        room=place if in_room else None,
        receiver_id=None if in_room else place.id,
        text=text,
        key=key,
        file=file,
    )
    try:
        db().add(message)
        db().commit()
        return message
    except IntegrityError:
        db().rollback()
    by_key = select(Message).where(Message.sender_id == sender.id, Message.key == key)
    before = db().scalars(by_key).one()
    if (before.text, place_id(before)) != (text, place_id(message)):
        raise Refused(409, "key_used", "this key is that of another message")
    return before


def push(message: Message, place: Place) -> None:
    """Pushes a message to all who may read it, the sender's other tabs included."""
    sender_id = message.sender_id
    if isinstance(place, Room):
        pushed = {"type": "message", "message": message.as_json(NOBODY), "node": None}
        ImHelper.send_chan_message(NOBODY, place.name, pushed)
        return
    for user_id, receipt in ((place.id, True), (sender_id, False)):
        pushed = {
            "type": "message",
            "message": message.as_json(user_id),
            "node": node_of(user_id),
        }
        # To oneself: it comes if there are several sockets, that is other tabs.
        ImHelper.send_message(sender_id, user_id, pushed, receipt=receipt)


def place_id(message: Message) -> tuple:
    room_id = message.room.id if message.room else message.room_id
    return message.receiver_id, room_id
