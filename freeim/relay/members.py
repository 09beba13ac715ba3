"""Who is in which channel, kept until Redis says that it changed.

Two connections are needed for that: a reader, whose reads Redis tracks, and the
subscription, to which it says what has changed. What it does not say is that one of
them is gone; so nothing is kept longer than both.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Iterable, List

from redis.exceptions import ConnectionError

from ..dialects import ClientId
from ..wire import Wire
from .metrics import Metrics
from .tracked_reader import TrackedReader


__all__ = ["INVALIDATIONS", "Members", "Membership"]

logger = logging.getLogger(__name__)

#: Where a subscription hears what has changed. It must be subscribed to this channel,
#: on the connection that `Members.follow` is told.
INVALIDATIONS = b"__redis__:invalidate"

#: Seconds for which members are kept without a word: the longest time for which a
#: path that died in silence can do harm.
TTL = 30.0

#: Members of all channels that are kept at the most; a channel counts as one more.
LIMIT = 1_000_000


class Membership(List[ClientId]):
    """The members of a channel as they were read once; nobody may change it.

    Attributes:
        generation: grows with each reading, so that what is derived from the members
            can be kept as long as they are.
        good_until: when they must be read again.
    """

    __slots__ = ("generation", "good_until")

    def __init__(
        self, client_ids: Iterable[ClientId], generation: int, good_until: float
    ) -> None:
        super().__init__(client_ids)
        self.generation = generation
        self.good_until = good_until


class Members:
    """The members of channels.

    Only `of` and `close` touch a connection; they are called by one greenlet. Nothing
    else here yields to the hub, and may be called while `of` waits.
    """

    def __init__(
        self, redis: Any, wire: Wire, timeout: float, metrics: Metrics
    ) -> None:
        """Takes a client of the Redis to ask, and the seconds for an answer."""
        self._wire = wire
        self._metrics = metrics
        self._reader = TrackedReader(redis, timeout)
        #: The oldest first.
        self._kept: dict[str, Membership] = {}
        #: What counts towards LIMIT.
        self._size = 0
        #: Channels that are being read and have not changed since.
        self._reading: set[str] = set()
        self._listener: int | None = None
        #: How many subscriptions there were, and which one the reader is for.
        self._subscription = self._reader_for = 0
        #: How many readings there were.
        self.generation = 0
        self._said: set[str] = set()

    # What the subscription says

    def follow(self, listener: int | None) -> None:
        """Forgets everything; from now on another connection hears what changes.

        Call it before the first message of each subscription, and with None when it is
        lost.

        Args:
            listener: Redis' number of that connection; None if there is none.
        """
        self._subscription += 1
        self._listener = listener
        self.flush()

    def go_without(self, reason: object) -> None:
        """Keeps nothing, as Redis will not say what changes; says so once."""
        self.follow(None)
        self._say(reason)

    def drop(self, keys: object) -> None:
        """Forgets the channels with these keys, as Redis names them.

        Call it before any later message is looked up. Anything but a list of keys
        means all: so does None, Redis' word for a database that was emptied.
        """
        if not isinstance(keys, list):
            self.flush()
            return
        begin = len(self._wire.chan_key_prefix.encode())
        for key in keys:
            chan = key[begin:].decode(errors="replace")
            self._reading.discard(chan)
            self._forget(chan)

    def flush(self) -> None:
        """Forgets everything."""
        self._reading.clear()
        self._kept.clear()
        self._size = 0

    # What the dispatcher asks

    def of(self, chans: Iterable[str]) -> dict[str, Membership]:
        """Returns the members of channels; those that are not kept are read at once.

        Raises:
            RedisError, OSError: if Redis was not reached, or refused.
        """
        if self._kept and not self._reader.usable:
            self.flush()
        now = time.monotonic()
        found, missing = {}, []
        for chan in chans:
            members = self._kept.get(chan)
            if members is not None and now < members.good_until:
                found[chan] = members
            else:
                missing.append(chan)
        self._metrics.member_cache_hits.inc(len(found))
        if missing:
            self._metrics.member_lookups.inc(len(missing))
            found.update(self._look_up(missing))
        return found

    def close(self) -> None:
        """Ends the reader's connection."""
        self.flush()
        self._reader.close()

    def _look_up(self, chans: list[str]) -> dict[str, Membership]:
        good_until = time.monotonic() + TTL
        self._open_reader()
        try:
            answers = self._read(chans)
        except ConnectionError as error:
            # It has ended this moment. To read twice does no harm.
            logger.debug("! members: %s", error)
            self._open_reader()
            answers = self._read(chans)
        # Whoever listens may have changed while we waited for the connection.
        lasting = self._reader.tracked and self._reader_for == self._subscription
        unchanged, self._reading = self._reading, set()
        self.generation += 1
        found = {}
        for chan, names in zip(chans, answers):
            ids = self._wire.decode_ids(names)
            found[chan] = Membership(ids, self.generation, good_until)
            if lasting and chan in unchanged:
                self._keep(chan, found[chan])
        return found

    def _open_reader(self) -> None:
        if self._reader.usable and self._reader_for == self._subscription:
            return
        self.flush()
        subscription = self._subscription
        refusal = self._reader.open(self._listener)
        self._reader_for = subscription
        if refusal is not None:
            self._say(refusal)

    def _read(self, chans: list[str]) -> list[list[bytes]]:
        # From now on: the news of a change may be here before the answer that lacks it.
        self._reading = set(chans)
        return self._reader.fields(self._wire.chan_key(chan) for chan in chans)

    def _keep(self, chan: str, members: Membership) -> None:
        self._forget(chan)
        self._kept[chan] = members
        self._size += 1 + len(members)
        now = time.monotonic()
        while self._kept:
            oldest = next(iter(self._kept))
            if self._size <= LIMIT and now < self._kept[oldest].good_until:
                break
            self._forget(oldest)

    def _forget(self, chan: str) -> None:
        members = self._kept.pop(chan, None)
        if members is not None:
            self._size -= 1 + len(members)

    def _say(self, reason: object) -> None:
        if str(reason) not in self._said:
            self._said.add(str(reason))
            logger.info(
                "= redis does not say when a channel changes (%s): its members are "
                "asked for at each message",
                reason,
            )
