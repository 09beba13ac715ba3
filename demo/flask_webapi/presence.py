"""Connecting, and who is online: live, from the event bus."""

from __future__ import annotations

import atexit

from flask import Blueprint, Flask, request
from sqlalchemy import select

from freeim import ImHelper
from freeim.events import ClientEvent

from .bell import bell
from .database import db
from .errors import Refused
from .friends import friendship_words
from .guard import me
from .models import User, now
from .nodes import node_of
from .rooms import enter, names_of_rooms


presence = Blueprint("presence", __name__, url_prefix="/api")

#: Seconds until another process of the WebApi handles the events of one that died.
LEASE_TTL = 2


@presence.post("/connect")
def connect():
    """Gives the page the address for its WebSocket."""
    user = me()
    return {"url": admit(user), "node": node_of(user.id)}


@presence.get("/people")
def get_people():
    """Lists everybody else, who of them is online, and who is a friend."""
    user = me()
    users = list(
        db().scalars(select(User).where(User.id != user.id).order_by(User.folded))
    )
    online = ImHelper.has_online([other.id for other in users])
    words = friendship_words(user)
    return {
        "people": [
            {
                **other.as_json(),
                "online": here,
                "since": other.online_since if here else None,
                "friend": words.get(other.id, "none"),
                "node": node_of(other.id),
            }
            for other, here in zip(users, online)
        ]
    }


def admit(user: User) -> str:
    """Returns the address for one WebSocket, unless the user was sent away."""
    url = ImHelper.prev_connect_server(user.id, request.remote_addr)
    # Asked afterwards, in a new transaction: who kicks notes it first and then revokes
    # the tokens, so either the note is seen here or the token is worth nothing.
    db().rollback()
    if user.kicked_until > now():
        raise Refused(403, "kicked", "an administrator sent you away")
    return url


def follow_events(app: Flask) -> None:
    """Starts to follow who comes and goes."""

    def note(event: ClientEvent) -> None:
        with app.app_context():
            user = db().get(User, event.client_id)
            if user is not None:
                user.online_since = now() if event.sockets else None
                db().commit()
                enter(user.id, names_of_rooms(user.id))
        bell.ring("rooms")

    # Once in all processes, and later what happened while none ran: it changes data.
    group = ImHelper.event_group("demo", note, note, lease_ttl=LEASE_TTL)
    # Another process need not wait for the lease then.
    atexit.register(group.stop)
    # At once, as long as somebody is there to hear it: it changes what pages show.
    ImHelper.event_bus(online=show, offline=show)
    # The pages have heard nothing while no WebApi ran.
    bell.ring("people", "rooms")


def show(event: ClientEvent) -> None:
    """Shows on every page that somebody came or went."""
    online = bool(event.sockets)
    shown = {"type": "presence", "id": event.client_id, "online": online}
    where = {"since": now() if online else None, "node": node_of(event.client_id)}
    ImHelper.send_broadcast_message({**shown, **where})
    bell.ring("people")
