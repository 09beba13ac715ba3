"""Rooms: members are kept here, the channel of those who are online in the relay.

A client leaves its channels with its last socket, so its rooms are joined again when it
comes back: by the online event, and when its page asks what it has missed.
"""

from __future__ import annotations

from flask import Blueprint
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from freeim import ImHelper

from .bell import bell
from .database import db
from .errors import Refused
from .fields import Fields
from .guard import me
from .models import Member, Message, Room, User


rooms = Blueprint("rooms", __name__, url_prefix="/api/rooms")

LONGEST_ROOM, LONGEST_TOPIC = 40, 120


@rooms.get("")
def get_rooms():
    """Lists the rooms, with those who are members and those who are there now."""
    online = dict(ImHelper.get_chan_list())
    counted = func.count(Member.user_id)
    rows = db().execute(
        select(Room, counted)
        .outerjoin(Member, Member.room_id == Room.id)
        .group_by(Room.id)
        .order_by(Room.id)
    )
    joined = set(names_of_rooms(me().id))
    return {
        "rooms": [
            {
                **describe(room),
                "online": online.get(room.name, 0),
                "members": members,
                "joined": room.name in joined,
            }
            for room, members in rows
        ]
    }


@rooms.post("")
def create():
    """Makes a room, and joins it."""
    fields = Fields.of_json()
    name = fields.line("name", LONGEST_ROOM)
    topic = fields.line("topic", LONGEST_TOPIC, default="")
    user = me()
    if find_room(name) is not None:
        raise Refused(409, "room_exists", "there is a room of that name")
    room = create_room(name, topic)
    join_room(user, room)
    return {"room": describe(room)}


@rooms.post("/join")
def join():
    """Joins a room."""
    join_room(me(), named_room())
    return {}


@rooms.post("/leave")
def leave():
    """Leaves a room."""
    leave_room(me(), named_room())
    return {}


@rooms.get("/members")
def get_members():
    """Lists the members of a room, and who of them is online."""
    room = room_of(Fields.of_query().line("name", LONGEST_ROOM))
    users = db().scalars(
        select(User).join(Member).where(Member.room_id == room.id).order_by(User.folded)
    )
    users = list(users)
    online = ImHelper.has_online([user.id for user in users])
    return {
        "members": [
            {**user.as_json(), "online": here} for user, here in zip(users, online)
        ]
    }


def find_room(name: str) -> Room | None:
    """Returns the room of that name, if there is one."""
    return db().scalar(select(Room).where(Room.name == name))


def room_of(name: str) -> Room:
    """Returns the room of that name."""
    room = find_room(name)
    if room is None:
        raise Refused(404, "no_such_room", "there is no such room")
    return room


def named_room() -> Room:
    return room_of(Fields.of_json().line("name", LONGEST_ROOM))


def create_room(name: str, topic: str = "") -> Room:
    """Makes a room; returns the one that another request has made meanwhile."""
    room = Room(name=name, topic=topic)
    try:
        db().add(room)
        db().commit()
    except IntegrityError:
        db().rollback()
        return room_of(name)
    return room


def is_member(user: User, room: Room) -> bool:
    """Tells whether a user is in a room, online or not."""
    return db().get(Member, (room.id, user.id)) is not None


def join_room(user: User, room: Room) -> None:
    """Makes a user a member, who has read what was said before."""
    if not is_member(user, room):
        newest = db().scalar(
            select(func.max(Message.id)).where(Message.room_id == room.id)
        )
        db().add(Member(room_id=room.id, user_id=user.id, read_id=newest or 0))
        try:
            db().commit()
        except IntegrityError:
            # The other tab was faster.
            db().rollback()
    enter(user.id, [room.name])
    bell.ring("rooms")


def leave_room(user: User, room: Room) -> None:
    """Takes a user out of a room and of its channel."""
    member = db().get(Member, (room.id, user.id))
    if member is not None:
        db().delete(member)
        db().commit()
    ImHelper.leave_chan(user.id, room.name)
    bell.ring("rooms")


def names_of_rooms(user_id: int) -> list[str]:
    """Returns the names of the rooms that a user is in."""
    return list(
        db().scalars(select(Room.name).join(Member).where(Member.user_id == user_id))
    )


def enter(user_id: int, names: list[str]) -> None:
    """Has somebody who is online hear what is said in these rooms from now on."""
    if not names or not ImHelper.has_online(user_id):
        return
    ImHelper.join_chan(user_id, *names)
    # With the last socket a client leaves its channels; if that was just now, it would
    # stay in these for ever.
    if not ImHelper.has_online(user_id):
        ImHelper.leave_chan(user_id, *names)


def describe(room: Room) -> dict:
    return {"name": room.name, "topic": room.topic}
