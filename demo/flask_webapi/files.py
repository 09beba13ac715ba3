"""Example 3, A sends B a file: the bytes go to the WebApi, B hears how far they are."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from flask import Blueprint, current_app, request, send_file
from sqlalchemy import func, select

from .accounts import user_of
from .chat import LONGEST_KEY, check_may_write, push, store
from .database import db
from .errors import Refused
from .fields import Fields
from .file_names import safe_name
from .guard import me
from .hints import hint
from .models import File, User
from .uploads import receive


files = Blueprint("files", __name__, url_prefix="/api/files")

#: Bytes of a file.
LARGEST_FILE = 25 * 1024 * 1024

#: Files that one user may be sending at a time; each holds a thread of the WebApi.
MOST_AT_ONCE = 3

#: Letters of a name as it comes; what is kept is shorter.
LONGEST_NAME = 1000


@files.post("")
def upload():
    """Takes a file for a friend, and sends a message with its link."""
    user, fields = me(), Fields.of_query()
    receiver = user_of(fields.number("to"))
    check_may_write(user, receiver)
    file = begin(user, receiver, fields)
    key = fields.line("key", LONGEST_KEY, default=f"file-{file.id}")
    try:
        receive(
            *(request.stream, path_of(file), file.size),
            report=lambda sent: tell(file, "sending", sent),
        )
        check_may_write(user, receiver)
        file.complete = True
        message = store(user, receiver, file.name, key, file)
        if message.file_id != file.id:
            raise Refused(409, "key_used", "this key is that of another message")
    except BaseException:
        # The page went away, the disk is full, the friendship has ended, ...
        give_up(file)
        raise
    push(message, receiver)
    return {"message": message.as_json(user.id)}


@files.get("/<int:file_id>")
def download(file_id: int):
    """Gives a file to the one who got it, and to the one who sent it."""
    user, file = me(), db().get(File, file_id)
    if file is None or not file.complete:
        raise Refused(404, "no_such_file", "there is no such file")
    if user.id not in (file.sender_id, file.receiver_id):
        raise Refused(403, "not_yours", "this file is for somebody else")
    # Never shown in the page's own origin, whatever is in it.
    return send_file(
        path_of(file),
        mimetype="application/octet-stream",
        as_attachment=True,
        download_name=file.name,
    )


def begin(sender: User, receiver: User, fields: Fields) -> File:
    """Notes that a file is on its way; refuses what is too big or too much."""
    size = fields.number("size")
    if max(size, request.content_length or 0) > LARGEST_FILE:
        raise Refused(413, "too_big", f"a file may have {LARGEST_FILE} bytes")
    on_the_way = db().scalar(
        select(func.count()).where(File.sender_id == sender.id, ~File.complete)
    )
    if on_the_way >= MOST_AT_ONCE:
        raise Refused(429, "too_many", f"send {MOST_AT_ONCE} files at a time")
    name = safe_name(fields.text("name", LONGEST_NAME))
    file = File(sender=sender, receiver_id=receiver.id, name=name, size=size)
    db().add(file)
    db().commit()
    return file


def give_up(file: File) -> None:
    """Leaves nothing of a file that did not arrive, and tells who waits for it."""
    db().rollback()
    with suppress(FileNotFoundError):
        path_of(file).unlink()
    db().delete(file)
    db().commit()
    tell(file, "broken", 0)


def give_up_all() -> None:
    """Gives up what a WebApi that ended had not received, before this one serves."""
    for file in db().scalars(select(File).where(~File.complete)):
        give_up(file)


def tell(file: File, status: str, sent: int) -> None:
    """Tells the receiver how far a file is."""
    about = {"from": file.sender.as_json(), **file.as_json()}
    hint(file.receiver_id, {"type": "file", **about, "sent": sent, "status": status})


def path_of(file: File) -> Path:
    return current_app.config["FOLDER"] / "files" / str(file.id)
