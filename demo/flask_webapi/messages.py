"""Messages, and example 2, history: answered by HTTP, never through the socket."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint
from sqlalchemy import and_, func, or_, select
from sqlalchemy.sql import ColumnElement

from .chat import LONGEST_KEY, LONGEST_TEXT, Place, check_is_member, place_of, send
from .database import db
from .errors import Refused
from .fields import LARGEST, Fields
from .guard import me
from .hints import hint
from .models import Member, Message, Room, User
from .reading import mark_read, unread_counts
from .rooms import enter, names_of_rooms


messages = Blueprint("messages", __name__, url_prefix="/api")

#: Messages in one answer.
MOST = 200


@messages.post("/send")
def post_send():
    """Sends a message to a friend or to a room."""
    user, fields = me(), Fields.of_json()
    key = fields.line("key", LONGEST_KEY)
    text = fields.text("text", LONGEST_TEXT)
    message = send(user, place_of(fields.fields("to")), text, key)
    return {"message": message.as_json(user.id)}


@messages.get("/history")
def get_history():
    """Returns the newest messages of a conversation that are older than `before`."""
    user, fields = me(), Fields.of_query()
    before = fields.number("before", LARGEST)
    where = of_place(user, place_of(fields)), Message.id < before
    return page_of(user, Message.id.desc(), *where)


@messages.get("/missed")
def get_missed():
    """Returns what is newer than `after`, in all conversations.

    The rooms are joined again first: what was stored before is in the answer, what is
    stored afterwards is pushed, so that nothing falls in between.
    """
    user = me()
    enter(user.id, names_of_rooms(user.id))
    after = Fields.of_query().number("after")
    return page_of(user, Message.id.asc(), of_everything(user), Message.id > after)


@messages.get("/unread")
def get_unread():
    """Counts what was not read, and names the newest message of all."""
    newest = db().scalar(select(func.max(Message.id)).where(of_everything(me())))
    return {**unread_counts(me()), "last": newest or 0}


@messages.post("/read")
def post_read():
    """Notes up to where a conversation was read, and tells the user's other tabs."""
    user, fields = me(), Fields.of_json()
    place, message_id = place_of(fields), fields.number("id")
    mark_read(user, place, message_id)
    where = {"room": place.name} if isinstance(place, Room) else {"user": place.id}
    hint(user.id, {"type": "read", **where, "id": message_id})
    return {}


@messages.post("/receipts")
def post_receipt():
    """Keeps what the relay told the sender's page about a message."""
    user, fields = me(), Fields.of_json()
    message = db().get(Message, fields.number("id"))
    state = fields.line("state", 9)
    if state not in ("delivered", "offline"):
        raise Refused(400, "bad_field", "state: expected delivered or offline")
    if message is None or message.sender_id != user.id:
        raise Refused(403, "not_yours", "that is no message of yours")
    if message.state != "delivered":
        message.state = state
        db().commit()
    return {}


def of_place(user: User, place: Place) -> ColumnElement[bool]:
    """Returns the condition for the messages of one conversation of the user's."""
    if isinstance(place, Room):
        check_is_member(user, place)
        return Message.room_id == place.id
    return or_(
        and_(Message.sender_id == user.id, Message.receiver_id == place.id),
        and_(Message.sender_id == place.id, Message.receiver_id == user.id),
    )


def of_everything(user: User) -> ColumnElement[bool]:
    """Returns the condition for all messages that the user may read."""
    rooms = select(Member.room_id).where(Member.user_id == user.id)
    return or_(
        Message.receiver_id == user.id,
        and_(Message.sender_id == user.id, Message.receiver_id.is_not(None)),
        Message.room_id.in_(rooms),
    )


def page_of(user: User, order: ColumnElement, *where: ColumnElement[bool]) -> dict:
    """Returns a page of messages, the oldest first, and whether there are more."""
    limit = min(max(Fields.of_query().number("limit", 50), 1), MOST)
    query = select(Message).where(*where).order_by(order).limit(limit + 1)
    found = list(db().scalars(query))
    page = sorted(found[:limit], key=lambda message: message.id)
    mark_delivered(user, page)
    return {
        "messages": [message.as_json(user.id) for message in page],
        "more": len(found) > limit,
    }


def mark_delivered(reader: User, page: Sequence[Message]) -> None:
    """Notes that a reader has got these messages, and tells those who sent them."""
    arrived = [
        message
        for message in page
        if message.receiver_id == reader.id and message.state != "delivered"
    ]
    for message in arrived:
        message.state = "delivered"
    db().commit()
    for message in arrived:
        told = {"type": "state", "id": message.id, "state": message.state}
        hint(message.sender_id, told)
