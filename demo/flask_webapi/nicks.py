"""Who is called what: the one thing that the demo's WebApi knows by itself.

A real application has a table of users instead; the relay knows client ids only.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable


#: Characters; a nick stands in one line of a phone's screen.
LONGEST_NICK = 24

SCHEMA = "CREATE TABLE IF NOT EXISTS nick (client_id INTEGER PRIMARY KEY, nick TEXT)"


class Nicks:
    """Nick names by client id, in an SQLite file that outlives the WebApi."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._database.execute(SCHEMA)

    def save(self, client_id: int, nick: str) -> None:
        """Remembers what a client is called now.

        Raises:
            ValueError: if the nick is empty or too long.
        """
        nick = nick.strip()
        if not 0 < len(nick) <= LONGEST_NICK:
            raise ValueError(f"invalid nick: expected 1 to {LONGEST_NICK} letters")
        with self._lock, self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO nick VALUES (?, ?)", (client_id, nick)
            )

    def of(self, client_ids: Iterable[int]) -> dict[int, str]:
        """Returns the nicks of those clients that have one."""
        wanted = set(client_ids)
        with self._lock:
            rows = self._database.execute("SELECT client_id, nick FROM nick").fetchall()
        return {client_id: nick for client_id, nick in rows if client_id in wanted}
