"""The presence stream as one consumer group sees it: reads, acknowledges, parks."""

from __future__ import annotations

import logging
from typing import Any, Callable, NamedTuple

from redis.exceptions import ResponseError

from .wire import Wire


__all__ = ["Entry", "GroupStream"]

logger = logging.getLogger(__name__)

#: The group's only consumer. Whoever holds the lease is it, and so finds first what its
#: predecessor has read and not acknowledged.
CONSUMER = "freeim"

#: Entries read in one round trip.
BATCH = 100

#: Seconds that a wait for new entries takes at the most; `stop` has to wait for it.
BLOCK = 0.5

#: Entries that are kept, about, of those that could not be handled.
PARKED_LENGTH = 10_000

#: What comes before every id.
ZERO = b"0-0"

#: Carries out what a function puts into a transaction, or raises.
Transaction = Callable[[Callable[[Any], Any]], "list[Any]"]


class Entry(NamedTuple):
    """One entry of the stream; no fields if it was trimmed before it was handled."""

    entry_id: bytes
    fields: dict[bytes, bytes]

    @property
    def text(self) -> str:
        """The id, for the log."""
        return self.entry_id.decode()


class GroupStream:
    """The stream and the group in it.

    What only the holder of the lease may do takes his `GroupLease.transaction`: a
    process that lost the lease while its command was under way would else read entries
    of which its successor never hears.
    """

    def __init__(self, redis: Any, wire: Wire, group: str) -> None:
        self._redis = redis
        self._key = wire.presence_key
        self._parked_key = wire.parked_key(group)
        self._group = group
        self._last = ZERO

    def create(self, after: str) -> bool:
        """Creates the group; tells whether there was none.

        Args:
            after: the id after which it begins; `$` for the last there is.
        """
        try:
            self._redis.xgroup_create(self._key, self._group, after, mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
            return False
        return True

    def open(self) -> None:
        """Finds out how far the group has come."""
        self._last = ZERO
        for group in self._redis.xinfo_groups(self._key):
            if group["name"] == self._group.encode():
                self._last = group["last-delivered-id"]

    def wait(self) -> bool:
        """Waits a moment for new entries; tells whether there are any."""
        # Not by XREADGROUP, which would go on reading for us after the lease ran out.
        answer = self._redis.xread(
            {self._key: self._last}, count=1, block=int(BLOCK * 1000)
        )
        return bool(answer)

    def unacknowledged(self, transaction: Transaction) -> list[Entry]:
        """Returns entries that were read and are not acknowledged, the oldest first."""
        return self._read(transaction, "0")[1]

    def new(self, transaction: Transaction) -> list[Entry]:
        """Reads entries that nobody has read; says so if some were trimmed before."""
        first, entries = self._read(transaction, ">")
        if not entries:
            # Somebody moved the group on.
            self.open()
            return []
        # The stream begins after what was read last: that entry was trimmed, and in
        # most cases others after it. Redis 5 does not tell how many.
        if self._last != ZERO and order(self._last) < order(first):
            logger.error(
                "event group %s fell behind: what may have come after %s and before %s "
                "is no longer in the stream",
                self._group,
                self._last.decode(),
                first.decode(),
            )
        self._last = entries[-1].entry_id
        return entries

    def acknowledge(self, entry: Entry) -> None:
        """Says that an entry was handled, or never will be."""
        self._redis.xack(self._key, self._group, entry.entry_id)

    def park(self, transaction: Transaction, entry: Entry, error: str) -> None:
        """Puts an entry aside with the error, and acknowledges it."""
        fields = {
            b"kind": entry.fields.get(b"kind", b""),
            b"value": entry.fields.get(b"value", b""),
            b"error": error.encode(errors="replace"),
            b"entry": entry.entry_id,
        }

        def fill(pipe: Any) -> None:
            pipe.xadd(self._parked_key, fields, maxlen=PARKED_LENGTH, approximate=True)
            pipe.xack(self._key, self._group, entry.entry_id)

        transaction(fill)

    def _read(self, transaction: Transaction, after: str) -> tuple[bytes, list[Entry]]:
        def fill(pipe: Any) -> None:
            pipe.xrange(self._key, count=1)
            pipe.xreadgroup(self._group, CONSUMER, {self._key: after}, count=BATCH)

        begin, answer = transaction(fill)
        first = begin[0][0] if begin else ZERO
        # A list of pairs, or a dict, by the version of redis-py; None if there is none.
        entries = dict(answer or {}).get(self._key.encode(), [])
        return first, [Entry(entry_id, fields or {}) for entry_id, fields in entries]


def order(entry_id: bytes) -> tuple[int, int]:
    """Returns an id as something that can be compared."""
    milliseconds, _, number = entry_id.partition(b"-")
    return int(milliseconds), int(number)
