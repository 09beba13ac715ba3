"""The endpoints: each reads a form, asks ImHelper, and answers JSON.

They are those of FreeIM's C# sample, and like it they believe what the form says. In
production take the sender from your session, never from the form, and ask here whether
this user may write to that one, join that room or send somebody away.
"""

from __future__ import annotations

import secrets

from flask import Blueprint, current_app, request

from freeim import ImHelper

from .forms import flag_field, id_field, text_field
from .nicks import Nicks


ws = Blueprint("ws", __name__, url_prefix="/ws")

#: The sender of messages that everybody gets, whoever wrote them included.
NOBODY = 0


@ws.post("/pre-connect")
def pre_connect():
    """Gives the browser the address for its WebSocket."""
    client_id = id_field("websocketId") if "websocketId" in request.form else new_id()
    server = ImHelper.prev_connect_server(client_id, request.remote_addr)
    if "nick" in request.form:
        nicks().save(client_id, text_field("nick"))
    return {"code": 0, "server": server, "websocketId": client_id}


@ws.route("/offline", methods=["GET", "POST"])
def offline():
    """Closes all sockets of a client."""
    ImHelper.force_offline(id_field("websocketId"))
    return {"code": 0}


@ws.post("/get-channels")
def get_channels():
    """Lists the rooms with their head counts, and those the asking client is in."""
    rooms = [
        {"chan": chan, "online": count} for chan, count in ImHelper.get_chan_list()
    ]
    answer = {"code": 0, "channels": rooms}
    if "websocketId" in request.form:
        client_id = id_field("websocketId")
        answer["joined"] = ImHelper.get_chan_list_by_client_id(client_id)
    return answer


@ws.post("/subscr-channel")
def subscr_channel():
    """Takes a client into a room, until it leaves or goes offline."""
    client_id, channel = id_field("websocketId"), text_field("channel")
    ImHelper.join_chan(client_id, channel)
    # With its last socket a client leaves its rooms; without one it never would.
    if not ImHelper.has_online(client_id):
        ImHelper.leave_chan(client_id, channel)
        raise ValueError(f"client {client_id} is not online")
    tell_changed()
    return {"code": 0}


@ws.post("/leave-channel")
def leave_channel():
    """Takes a client out of a room."""
    ImHelper.leave_chan(id_field("websocketId"), text_field("channel"))
    tell_changed()
    return {"code": 0}


@ws.post("/send-channelmsg")
def send_channelmsg():
    """Sends a message to everybody in a room."""
    ImHelper.send_chan_message(NOBODY, text_field("channel"), text_field("message"))
    return {"code": 0}


@ws.post("/send-broadcast")
def send_broadcast():
    """Sends a message to everybody who is online."""
    ImHelper.send_broadcast_message(text_field("message"))
    return {"code": 0}


@ws.post("/send-msg")
def send_msg():
    """Sends a message to one client; the receipt comes back through the socket."""
    ImHelper.send_message(
        id_field("senderWebsocketId"),
        id_field("receiveWebsocketId"),
        text_field("message"),
        receipt=flag_field("isReceipt"),
    )
    return {"code": 0}


@ws.post("/people")
def people():
    """Lists who is online."""
    online = ImHelper.get_client_list_by_online()
    names = nicks().of(online)
    listed = [{"websocketId": one, "nick": names.get(one, "")} for one in online]
    return {"code": 0, "people": listed}


@ws.post("/rename")
def rename():
    """Gives a client another nick."""
    nicks().save(id_field("websocketId"), text_field("nick"))
    tell_changed()
    return {"code": 0}


def tell_changed(*_: object) -> None:
    """Tells every page that rooms or people changed; it then asks for them."""
    ImHelper.send_broadcast_message({"type": "changed"})


def new_id() -> int:
    """Makes up a client id: unique without a counter, exact in JavaScript."""
    return secrets.randbelow(2**52) + 1


def nicks() -> Nicks:
    """Returns the nick names of this application."""
    return current_app.extensions["nicks"]
