"""The tables. A user's id is the client id that the relay knows, and all it knows."""

from __future__ import annotations

import time
from typing import Any, Optional

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


def now() -> int:
    """Returns the time in milliseconds since 1970, as JavaScript counts."""
    return int(time.time() * 1000)


class Base(DeclarativeBase):
    """The base of all tables."""


class User(Base):
    """Somebody who signed in once."""

    __tablename__ = "user"
    # An id that was somebody's is never given to somebody else.
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    #: The name without upper and lower case: "Ada" and "ada" are one account.
    folded: Mapped[str] = mapped_column(unique=True)
    #: When the first of the sockets opened that are open now; None while offline.
    online_since: Mapped[Optional[int]]
    kicked_until: Mapped[int] = mapped_column(default=0)

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name}


class Friendship(Base):
    """One user asked another, who has or has not accepted yet."""

    __tablename__ = "friendship"

    asker_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    asked_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    accepted: Mapped[bool] = mapped_column(default=False)


class Room(Base):
    """A room, whose name is also that of its channel."""

    __tablename__ = "room"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    topic: Mapped[str] = mapped_column(default="")


class Member(Base):
    """A user who is in a room also while offline, and has read it up to a message."""

    __tablename__ = "member"

    room_id: Mapped[int] = mapped_column(ForeignKey("room.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("user.id"), primary_key=True, index=True
    )
    read_id: Mapped[int] = mapped_column(default=0)


class ReadMark(Base):
    """Up to where a user has read what another wrote to them."""

    __tablename__ = "read_mark"

    reader_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    sender_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    read_id: Mapped[int] = mapped_column(default=0)


class File(Base):
    """A file on its way, or there; its bytes are in a file that is called as its id."""

    __tablename__ = "file"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    sender_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    receiver_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    name: Mapped[str]
    size: Mapped[int]
    complete: Mapped[bool] = mapped_column(default=False)

    sender: Mapped[User] = relationship(foreign_keys=[sender_id], lazy="joined")

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "size": self.size}


class Message(Base):
    """A message to a user or to a room.

    Ids grow in the order of the commits, as SQLite has one writer at a time: whoever
    has read up to an id has missed nothing before it. Elsewhere see to that.
    """

    __tablename__ = "message"
    __table_args__ = (
        UniqueConstraint("sender_id", "key"),
        Index("message_between", "sender_id", "receiver_id", "id"),
        Index("message_to", "receiver_id", "id"),
        Index("message_in", "room_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[int] = mapped_column(default=now)
    sender_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    receiver_id: Mapped[Optional[int]] = mapped_column(ForeignKey("user.id"))
    room_id: Mapped[Optional[int]] = mapped_column(ForeignKey("room.id"))
    file_id: Mapped[Optional[int]] = mapped_column(ForeignKey("file.id"))
    text: Mapped[str]
    #: The sender's own name for it: a message that is sent again is stored once.
    key: Mapped[str]
    #: sent, offline or delivered, of a message to a user.
    state: Mapped[str] = mapped_column(default="sent")

    sender: Mapped[User] = relationship(foreign_keys=[sender_id], lazy="joined")
    room: Mapped[Optional[Room]] = relationship(lazy="joined")
    file: Mapped[Optional[File]] = relationship(lazy="joined")

    def as_json(self, reader_id: int) -> dict[str, Any]:
        """Returns the message as one of its readers gets it."""
        message = {
            "id": self.id,
            "at": self.at,
            "from": self.sender.as_json(),
            "to": {"room": self.room.name} if self.room else {"user": self.receiver_id},
            "text": self.text,
        }
        if self.file:
            message["file"] = self.file.as_json()
        if reader_id == self.sender_id:
            message["key"] = self.key
            if not self.room:
                message["state"] = self.state
        return message
