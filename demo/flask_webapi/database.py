"""The WebApi's own database: history, friends and rooms are the business' affair."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, current_app, g
from sqlalchemy import URL, create_engine, event
from sqlalchemy.orm import Session, sessionmaker

from .models import Base


#: Seconds that a statement waits for another thread's transaction to end.
LOCK_TIMEOUT = 10


def open_database(app: Flask, path: Path) -> None:
    """Gives an application its database; makes the tables that are missing."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": LOCK_TIMEOUT},
    )
    event.listen(engine, "connect", _set_up)
    Base.metadata.create_all(engine)
    app.extensions["database"] = sessionmaker(engine, expire_on_commit=False)
    app.teardown_appcontext(_close)


def db() -> Session:
    """Returns the session of this request, or of this event's application context."""
    if "db" not in g:
        g.db = current_app.extensions["database"]()
    return g.db


def _set_up(connection, _record) -> None:
    # Readers do not wait for a writer then, nor a writer for readers.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _close(_error: BaseException | None) -> None:
    session = g.pop("db", None)
    if session is not None:
        session.close()
