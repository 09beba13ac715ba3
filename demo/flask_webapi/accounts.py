"""Accounts: who is who."""

from __future__ import annotations

from flask import Blueprint, current_app, session
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from .bell import bell
from .database import db
from .errors import Refused
from .fields import Fields
from .guard import is_admin, me
from .models import Member, Room, User


accounts = Blueprint("accounts", __name__, url_prefix="/api")

LONGEST_NAME = 24

#: The room that everybody is in from the beginning.
LOBBY = "Lobby"


@accounts.post("/sign-in")
def sign_in():
    """Signs in by a name alone: put your own sign-in here."""
    if not current_app.config["DEMO_MODE"]:
        raise Refused(
            403,
            "no_password",
            "this sign-in, which asks for no password, is for the demo",
        )
    name = Fields.of_json().line("name", LONGEST_NAME)
    user = find_user(name) or create_user(name)
    # Nothing of the session of whoever sat here before.
    session.clear()
    session["user"] = user.id
    return {"me": describe(user)}


@accounts.post("/sign-out")
def sign_out():
    """Ends the session."""
    session.clear()
    return {}


@accounts.get("/me")
def get_me():
    """Tells who is signed in."""
    return {"me": describe(me()), "demo": current_app.config["DEMO_MODE"]}


def find_user(name: str) -> User | None:
    """Returns the user of that name."""
    return db().scalar(select(User).where(User.folded == name.casefold()))


def create_user(name: str) -> User:
    """Makes an account, which is in the lobby."""
    user = User(name=name, folded=name.casefold())
    try:
        db().add(user)
        db().flush()
    except IntegrityError:
        # Another request was faster.
        db().rollback()
        return find_user(name)
    lobby = db().scalars(select(Room).where(Room.name == LOBBY)).one()
    db().add(Member(room_id=lobby.id, user_id=user.id))
    db().commit()
    bell.ring("people", "rooms")
    return user


def user_of(user_id: int) -> User:
    """Returns the user of that id."""
    user = db().get(User, user_id)
    if user is None:
        raise Refused(404, "no_such_user", "there is no such user")
    return user


def describe(user: User) -> dict:
    return {**user.as_json(), "admin": is_admin(user)}
