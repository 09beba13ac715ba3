"""Event groups: each event is handled once by all the processes of an application.

The processes of a group read the presence stream as one consumer. One of them at a time
holds the group's lease and calls its handlers, so events come in order; the others wait
for it. What a process leaves behind, its successor finds in Redis.
"""

from __future__ import annotations

import logging
import random
from typing import Iterator

from .client import ImClient
from .content import is_utf8
from .errors import InvalidArgument, WireError, shorten
from .events import ClientEvent, Handler
from .group_lease import GroupLease, TenureEnded, make_owner
from .group_stream import BLOCK, Entry, GroupStream
from .redis_client import subscribing
from .subscription import Subscription


__all__ = ["EventGroupSubscription", "start_event_group"]

logger = logging.getLogger(__name__)

#: Seconds between two attempts to get the lease, at the most.
ATTEMPT = 1.0

#: Seconds before a handler is called again, doubled each time, and their ceiling.
FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0

#: Seconds that a lease may last: an answer of Redis may be late, and one day a process
#: will die.
LEASE_TTL = (1, 3600)


class EventGroupSubscription(Subscription):
    """A thread that calls a group's handlers when its process is the one to do so."""

    started_by = "event_group"
    while_away = "events wait in the stream"

    def __init__(
        self,
        client: ImClient,
        name: str,
        online: Handler,
        offline: Handler,
        retries: int,
        lease_ttl: float,
    ) -> None:
        super().__init__(client)
        self.name = name
        self._handlers: dict[bytes | None, Handler] = {
            b"online": online,
            b"offline": offline,
        }
        self._retries = retries
        self._lease_ttl = lease_ttl
        self._owner = make_owner()
        #: Where the group begins if there is none: with what comes from now on. If it
        #: was there before, Redis lost its data, and all it has is new.
        self._begin = "$"
        #: The entry that was handled and whose acknowledgement may not have arrived.
        self._handled = b""

    def parked(self) -> int:
        """Returns how many events the group has put aside, in all its processes."""
        wire = self._client.wire
        return int(self._client.redis.xlen(wire.parked_key(self.name)))

    def _work(self) -> None:
        # Nothing here waits longer than BLOCK: a Redis that fell silent is noticed.
        timeout = BLOCK + self._client.options.timeout
        redis = subscribing(self._client.redis, timeout)
        wire = self._client.wire
        stream = GroupStream(redis, wire, self.name)
        try:
            self._create(stream)
            self._ready.set()
            while not self._stopping.is_set():
                key = wire.group_key(self.name)
                lease = GroupLease(redis, key, self._owner, self._lease_ttl)
                if lease.take():
                    self._lead(stream, lease)
                else:
                    self._stopping.wait(ATTEMPT * random.uniform(0.5, 1.0))
        finally:
            redis.connection_pool.disconnect()

    def _create(self, stream: GroupStream) -> None:
        if stream.create(self._begin) and self._begin != "$":
            logger.error(
                "event group %s was gone from Redis: created again; what was in the "
                "stream and not handled is lost",
                self.name,
            )
        self._begin = "0"

    def _lead(self, stream: GroupStream, lease: GroupLease) -> None:
        try:
            with lease:
                for entry in self._entries(stream, lease):
                    self._settle(stream, lease, entry)
        except TenureEnded as reason:
            if not self._stopping.is_set():
                logger.warning("event group %s is handed over: %s", self.name, reason)

    def _entries(self, stream: GroupStream, lease: GroupLease) -> Iterator[Entry]:
        stream.open()
        self._check(lease)
        while True:
            entries = stream.unacknowledged(lease.transaction)
            if not entries:
                break
            yield from entries
        while True:
            self._check(lease)
            if stream.wait():
                yield from stream.new(lease.transaction)

    def _check(self, lease: GroupLease) -> None:
        if self._stopping.is_set():
            raise TenureEnded("stopped")
        lease.check()

    def _settle(self, stream: GroupStream, lease: GroupLease, entry: Entry) -> None:
        self._check(lease)
        if not entry.fields:
            logger.error(
                "event group %s: event %s is lost, the stream no longer has it",
                self.name,
                entry.text,
            )
        elif entry.entry_id != self._handled:
            try:
                handler, event = self._decode(entry)
            except WireError as error:
                stream.park(lease.transaction, entry, str(error))
                logger.error(
                    "event group %s: event %s is parked, it cannot be read: %s",
                    self.name,
                    entry.text,
                    error.reason,
                )
                return
            failure = self._call(lease, entry, handler, event)
            if failure is not None:
                stream.park(lease.transaction, entry, describe(failure))
                logger.error(
                    "event group %s: event %s is parked, handler failed for client %s",
                    self.name,
                    entry.text,
                    event.client_id,
                    exc_info=failure,
                )
                return
            self._handled = entry.entry_id
        stream.acknowledge(entry)
        # From here on the same id would be another event, of a stream made anew.
        self._handled = b""

    def _decode(self, entry: Entry) -> tuple[Handler, ClientEvent]:
        handler = self._handlers.get(entry.fields.get(b"kind"))
        if handler is None:
            raise WireError(entry.fields, "neither online nor offline")
        value = entry.fields.get(b"value", b"")
        return handler, ClientEvent(*self._client.wire.decode_event(value))

    def _call(
        self, lease: GroupLease, entry: Entry, handler: Handler, event: ClientEvent
    ) -> BaseException | None:
        """Calls the handler until it returns; its last exception if it never does."""
        pause = FIRST_PAUSE
        for left in range(self._retries, -1, -1):
            try:
                handler(event)
                return None
            except BaseException as error:
                # As in the event bus: the next event must still come.
                failure = error
            if left:
                logger.warning(
                    "event group %s: event %s, handler failed for client %s and is "
                    "called again in %.1f s: %s",
                    self.name,
                    entry.text,
                    event.client_id,
                    pause,
                    describe(failure),
                )
                self._stopping.wait(pause)
                self._check(lease)
                pause = min(pause * 2, LAST_PAUSE)
        return failure


def start_event_group(
    client: ImClient,
    name: str,
    online: Handler,
    offline: Handler,
    retries: int = 3,
    lease_ttl: float = 10.0,
) -> EventGroupSubscription:
    """Calls `online` at a client's first socket and `offline` at its last, once in all.

    Every process of the application calls this with the same name. One of them at a
    time handles the events, in order, in a thread; if it ends, another goes on where it
    was. The first call of all makes the group: events from then on are handled, also
    those that come while no process runs, as long as the stream holds them.

    An event is handled once as long as no process dies. One that dies, or that loses
    its lease, between a handler's return and Redis' knowing of it leaves that event to
    be handled a second time.

    A handler that raises is called again; if it still does, the event is parked in
    `{P}Parked{name}` and logged, and the next one comes. A handler that does not return
    holds the group up. Start it after a fork: threads do not survive one.

    Args:
        name: the group; several groups each get every event.
        retries: how often a handler that raised is called again.
        lease_ttl: seconds after which another process goes on for one that died.

    Raises:
        InvalidArgument: if the name is none, or a number cannot be used.
    """
    if not isinstance(name, str) or not name or not is_utf8(name):
        raise InvalidArgument(name, "the name of a group, a text")
    if not isinstance(retries, int) or retries < 0:
        raise InvalidArgument(retries, "a number of retries, 0 or more")
    shortest, longest = LEASE_TTL
    if not isinstance(lease_ttl, (int, float)) or not shortest <= lease_ttl <= longest:
        raise InvalidArgument(lease_ttl, f"{shortest} to {longest} seconds")
    subscription = EventGroupSubscription(
        client, name, online, offline, retries, lease_ttl
    )
    subscription.start()
    return subscription


def describe(error: BaseException) -> str:
    """Returns what an application's exception says, cut to a line's length."""
    try:
        return shorten(error)
    except Exception:
        # Its own `__repr__` fails, too.
        return type(error).__name__
