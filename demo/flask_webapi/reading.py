"""What a user has read, and how much is left."""

from __future__ import annotations

from sqlalchemy import and_, func, select

from .chat import Place, check_is_member
from .database import db
from .models import Member, Message, ReadMark, Room, User


def mark_read(user: User, place: Place, message_id: int) -> None:
    """Notes that a conversation was read up to a message; never goes back."""
    if isinstance(place, Room):
        check_is_member(user, place)
        mark = db().get(Member, (place.id, user.id))
    else:
        mark = db().merge(ReadMark(reader_id=user.id, sender_id=place.id))
    mark.read_id = max(mark.read_id or 0, message_id)
    db().commit()


def unread_counts(user: User) -> dict:
    """Returns how many messages were not read, by sender and by room."""
    from_users = (
        select(Message.sender_id, func.count())
        .outerjoin(
            ReadMark,
            and_(
                ReadMark.reader_id == user.id,
                ReadMark.sender_id == Message.sender_id,
            ),
        )
        .where(
            Message.receiver_id == user.id,
            Message.id > func.coalesce(ReadMark.read_id, 0),
        )
        .group_by(Message.sender_id)
    )
    in_rooms = (
        select(Room.name, func.count())
        .select_from(Member)
        .join(Room, Room.id == Member.room_id)
        .join(Message, Message.room_id == Member.room_id)
        .where(
            Member.user_id == user.id,
            Message.sender_id != user.id,
            Message.id > Member.read_id,
        )
        .group_by(Room.name)
    )
    return {
        "users": {sender: count for sender, count in db().execute(from_users)},
        "rooms": {room: count for room, count in db().execute(in_rooms)},
    }
