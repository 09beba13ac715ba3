"""What this process tells Redis about its sockets, until Redis has taken it."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Callable

from gevent.lock import BoundedSemaphore

from ..dialects import ClientId
from ..presence import Ledger, Share
from ..wire import Token, Wire
from .clerk import Bulk, Clerk
from .connection import Connection
from .registry import Registry


__all__ = ["Roster"]


class Roster:
    """The counts of this node's clients, in memory and in Redis.

    A client's count is that of its sockets in the registry; for `grace` seconds after
    its last one closed it stays at one. Counts are absolute and written in order, so
    what Redis did not take is simply said again.
    """

    def __init__(
        self,
        registry: Registry[Connection],
        ledger: Ledger,
        clerk: Clerk,
        wire: Wire,
        grace: float,
    ) -> None:
        """Takes the seconds for which a client counts on after its last socket."""
        self._registry = registry
        self._ledger = ledger
        self._saying = Bulk(ledger.say)
        self._clerk = clerk
        self._wire = wire
        self._grace = grace
        #: Clients whose count is not in Redis, with the token value of the last socket.
        self._unsaid: dict[ClientId, str] = {}
        #: Clients without a socket that still count: (until when, token value). The
        #: first one is due first, as the grace is the same for all.
        self._lingering: dict[ClientId, tuple[float, str]] = {}
        #: Clients who were cast out and whose sockets have not ended yet.
        self._outcasts: set[ClientId] = set()
        #: Clients that were told to Redis while a check was under way.
        self._said_meanwhile: set[ClientId] | None = None
        self._gathering = False
        self._one_check = BoundedSemaphore()

    def __repr__(self) -> str:
        return f"<Roster {len(self._lingering)} linger, {len(self._unsaid)} unsaid>"

    # No method of this part yields to the hub: callers see whole states.

    def opened(
        self,
        connection: Connection,
        on_answer: Callable[[Connection, Exception | None], None],
    ) -> None:
        """Has a connection counted that is in the registry.

        Args:
            on_answer: called with the connection, and the error if Redis did not take
                it; the count will be written again then.
        """
        client_id = connection.client_id
        self._lingering.pop(client_id, None)
        self._outcasts.discard(client_id)
        share = self._share(client_id, connection.token_value)

        def answered(error: Exception | None) -> None:
            self._note(share, error)
            on_answer(connection, error)

        self._clerk.tell(self._saying, share, answered)

    def closed(self, connection: Connection) -> None:
        """Has a connection counted off that is out of the registry."""
        client_id = connection.client_id
        last = not self._registry.of(client_id)
        if last and self._grace and client_id not in self._outcasts:
            until = time.monotonic() + self._grace
            self._lingering[client_id] = (until, connection.token_value)
        elif self._gathering:
            self._unsaid[client_id] = connection.token_value
        else:
            self._say(client_id, connection.token_value)
        if last:
            self._outcasts.discard(client_id)

    def gather(self) -> None:
        """Has the ends of sockets wait for the next tick, for many at once."""
        self._gathering = True

    def cast_out(self, client_id: ClientId) -> None:
        """Gives a client no grace: he is counted off at once, or with his last socket.

        A socket that is about to end for another reason is not told of the kick.
        """
        if self._registry.of(client_id):
            self._outcasts.add(client_id)
        elif self.lingers(client_id):
            _, token_value = self._lingering.pop(client_id)
            self._say(client_id, token_value)

    def lingers(self, client_id: ClientId) -> bool:
        """Tells whether a client counts here although it has no socket."""
        return client_id in self._lingering

    @property
    def lingering(self) -> int:
        """How many clients count here although they have no socket."""
        return len(self._lingering)

    def tick(self) -> None:
        """Counts off whose grace has passed, and says again what was not taken."""
        now = time.monotonic()
        while self._lingering:
            client_id, (until, token_value) = next(iter(self._lingering.items()))
            if until > now:
                break
            del self._lingering[client_id]
            self._say(client_id, token_value)
        unsaid, self._unsaid = self._unsaid, {}
        for client_id, token_value in unsaid.items():
            self._say(client_id, token_value)

    def _count(self, client_id: ClientId) -> int:
        return len(self._registry.of(client_id)) or int(self.lingers(client_id))

    def _say(self, client_id: ClientId, token_value: str) -> None:
        share = self._share(client_id, token_value)
        self._clerk.tell(self._saying, share, partial(self._note, share))

    def _share(self, client_id: ClientId, token_value: str) -> Share:
        if self._said_meanwhile is not None:
            self._said_meanwhile.add(client_id)
        return Share(client_id, self._count(client_id), token_value)

    def _note(self, share: Share, error: Exception | None) -> None:
        if error is not None:
            self._unsaid[share.client_id] = share.token_value

    def _token_values(self) -> dict[ClientId, str]:
        values = {client: value for client, (_, value) in self._lingering.items()}
        for connection in self._registry.connections():
            values[connection.client_id] = connection.token_value
        return values

    # This part waits for Redis.

    def check(self) -> int:
        """Compares what Redis knows with what is so, and mends the difference.

        Returns:
            How many clients were mended.

        Raises:
            redis.exceptions.RedisError, OSError: if Redis could not be asked.
        """
        with self._one_check:
            return self._check()

    def _check(self) -> int:
        self._said_meanwhile = set(self._unsaid)
        try:
            values = self._token_values()
            counts = {client_id: self._count(client_id) for client_id in values}
            # HMGET wants one field at least.
            asked = list(counts) or [self._wire.dialect.nobody]
            # The clerk works in order: what was said before this is in the answers.
            held = self._clerk.submit(self._ledger.held)
            totals = self._clerk.submit(lambda pipe: self._ledger.totals(pipe, asked))
            answers: list[Any] = [held.get(), totals.get()]
            known = self._ledger.read_held(answers[0])
            online = self._ledger.read_totals(asked, answers[1])
            changed = self._said_meanwhile.union(self._unsaid)
        finally:
            self._said_meanwhile = None
        wrong = {one for one in {*counts, *known} if counts.get(one) != known.get(one)}
        short = {one for one in counts if online[one] < counts[one]} - wrong
        for client_id in wrong - changed:
            self._say(client_id, values.get(client_id) or self._no_meta(client_id))
        for client_id in short - changed:
            share = Share(client_id, counts[client_id], values[client_id])
            self._mend_total(share)
        return len((wrong | short) - changed)

    def _mend_total(self, share: Share) -> None:
        self._clerk.submit(lambda pipe: self._ledger.mend_total(pipe, share))

    def _no_meta(self, client_id: ClientId) -> str:
        return self._wire.encode_token(Token(client_id, ""))
