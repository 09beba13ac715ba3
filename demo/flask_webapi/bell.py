"""Tells pages to fetch something again: as often as it changes, but not more often."""

from __future__ import annotations

import logging
import threading
import time

from redis import RedisError

from freeim import ImHelper


logger = logging.getLogger(__name__)

#: Seconds between two rings of one kind; what happens in between is one ring.
PAUSE = 0.5


class Bell:
    """Broadcasts `{"type": kind}`, at most once in `PAUSE` for each kind.

    A ring always follows the last call, so that pages end up with what is true.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[str] = set()
        self._rang_at: dict[str, float] = {}

    def ring(self, *kinds: str) -> None:
        """Has every page hear of these kinds soon; does not wait for it."""
        with self._lock:
            for kind in set(kinds) - self._waiting:
                self._waiting.add(kind)
                since = time.monotonic() - self._rang_at.get(kind, 0)
                timer = threading.Timer(max(0, PAUSE - since), self._ring, [kind])
                timer.daemon = True
                timer.start()

    def _ring(self, kind: str) -> None:
        with self._lock:
            self._waiting.discard(kind)
            self._rang_at[kind] = time.monotonic()
        try:
            ImHelper.send_broadcast_message({"type": kind})
        except RedisError as error:
            logger.warning("pages did not hear of %s: %s", kind, error)


#: That of this process.
bell = Bell()
