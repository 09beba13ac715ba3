"""Friends: who may write to whom."""

from __future__ import annotations

from flask import Blueprint
from sqlalchemy import and_, or_, select

from .accounts import user_of
from .database import db
from .errors import Refused
from .fields import Fields
from .guard import me
from .hints import hint
from .models import Friendship, User


friends = Blueprint("friends", __name__, url_prefix="/api/friends")


@friends.post("/ask")
def ask():
    """Asks somebody to be friends; accepts, if they asked before."""
    user, other = me(), other_user()
    friendship = find_friendship(user, other)
    if friendship is None:
        db().add(Friendship(asker_id=user.id, asked_id=other.id))
    elif friendship.asked_id == user.id:
        friendship.accepted = True
    return save_and_tell(user, other)


@friends.post("/accept")
def accept():
    """Becomes friends with somebody who asked."""
    user, other = me(), other_user()
    friendship = find_friendship(user, other)
    if friendship is None or friendship.asked_id != user.id:
        raise Refused(409, "not_asked", f"{other.name} did not ask")
    friendship.accepted = True
    return save_and_tell(user, other)


@friends.post("/remove")
def remove():
    """Ends a friendship, takes a question back, or refuses one."""
    user, other = me(), other_user()
    friendship = find_friendship(user, other)
    if friendship is not None:
        db().delete(friendship)
    return save_and_tell(user, other)


def are_friends(one: User, other: User) -> bool:
    """Tells whether one asked and the other accepted."""
    friendship = find_friendship(one, other)
    return friendship is not None and friendship.accepted


def friendship_words(user: User) -> dict[int, str]:
    """Returns how it stands with each user that there is something with."""
    either = or_(Friendship.asker_id == user.id, Friendship.asked_id == user.id)
    words = {}
    for friendship in db().scalars(select(Friendship).where(either)):
        if friendship.asker_id == user.id:
            words[friendship.asked_id] = "yes" if friendship.accepted else "asked"
        else:
            words[friendship.asker_id] = "yes" if friendship.accepted else "asks"
    return words


def find_friendship(one: User, other: User) -> Friendship | None:
    """Returns what there is between two users, whoever asked."""
    pair = Friendship.asker_id, Friendship.asked_id
    return db().scalar(
        select(Friendship).where(
            or_(
                and_(pair[0] == one.id, pair[1] == other.id),
                and_(pair[0] == other.id, pair[1] == one.id),
            )
        )
    )


def other_user() -> User:
    other = user_of(Fields.of_json().number("id"))
    if other.id == me().id:
        raise Refused(400, "yourself", "that is you")
    return other


def save_and_tell(user: User, other: User) -> dict:
    db().commit()
    hint([user.id, other.id], {"type": "friends"})
    return {}
