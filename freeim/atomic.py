"""`Atomic`: calls that leave together when a block succeeds, or not at all.

`Caller`, a part of `ImClient`, sends what its other parts have prepared: at once, or
with the block that the call is made in.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Callable, Sequence

from .calls import Call, Held


if TYPE_CHECKING:
    from types import TracebackType


__all__ = ["HELD", "Atomic", "Caller"]

#: What a call that counts relay processes returns while it is held. Not 0, which means
#: that a message is lost.
HELD = -1

#: The owner of a block that has ended; no thread's and no greenlet's.
NOBODY = 0

#: The block that this thread, greenlet or task entered last. A context variable, as it
#: is a greenlet's own even where gevent came late to patch the process.
_innermost: ContextVar[Atomic | None] = ContextVar("freeim_innermost", default=None)


class Atomic:
    """A block of one client's calls; made by `ImClient.atomic`.

    It belongs to the thread or greenlet that enters it. What others call meanwhile,
    those that it starts included, leaves at once.
    """

    def __init__(self, caller: Caller, alone: bool = False) -> None:
        """Stores who sends; `alone` is a part of no block around it."""
        self._caller = caller
        self._alone = alone
        self._held = Held()
        self._owner: int | None = None
        #: The block that was entered before this one, maybe of another client.
        self.before: Atomic | None = None
        #: How many relay processes took each message and each kick that has left, in
        #: the order of the calls. A block inside another leaves this to the outer one.
        self.taken: list[int] = []

    def __enter__(self) -> Atomic:
        """Begins to hold calls.

        Raises:
            RuntimeError: if the block was entered already.
        """
        if self._owner is not None:
            raise RuntimeError("enter a block once: call atomic() for each")
        outer = None if self._alone else self._caller.holding
        self._held = Held(outer._held if outer else None)
        # Looked up now: where gevent has patched the process it tells greenlets apart.
        self._owner = threading.get_ident()
        self.before = _innermost.get()
        _innermost.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _innermost.set(self.before)
        # From here on nobody takes it for his own.
        self._owner = NOBODY
        self._leave(self._held.close(keep=kind is None))

    def send(self) -> None:
        """Has everything leave now that waits, what surrounds this block included.

        For a transaction that was committed before the block ends. It raises what a
        call outside a block would raise; nothing waits any more then.
        """
        self._leave(self._held.take())

    def discard(self) -> None:
        """Forgets everything that waits, what surrounds this block included.

        For a transaction that was rolled back. What is to be forgotten of this block
        alone is so if it raises.
        """
        self._held.take()

    def add(self, call: Call) -> Any:
        """Keeps a call; returns what its caller gets meanwhile."""
        return self._held.add(call)

    def holds_for(self, caller: Caller) -> bool:
        """Tells whether a call that is made here and now is to be held."""
        # A thread or a greenlet may have begun with a copy of its parent's variables.
        return self._caller is caller and self._owner == threading.get_ident()

    def _leave(self, calls: Sequence[Call]) -> None:
        results = self._caller._run(calls)
        self.taken += [count for count in results if count is not None]


class Caller:
    """The way of all calls that change something; a part of `ImClient`."""

    def __init__(self, redis: Any) -> None:
        """Stores an open client of Redis."""
        self.redis = redis
        #: Functions called with an `ImSendEvent` before each publish; in a block, when
        #: it leaves. One that raises keeps the whole call, or block, from sending.
        self.on_send: list[Callable[[Any], Any]] = []

    def atomic(self) -> Atomic:
        """Returns a block: `with client.atomic():` has its calls leave together.

        Held are messages, kicks, and what changes channels, in the order of the calls.
        They leave at the end of the block in one transaction of Redis, or not at all if
        the block raises. What is wrong with an argument is raised by the call itself.
        Inside another block of the same client this one leaves with the outer one; if
        it raises, and the outer one goes on, its calls alone are forgotten.

        A call that returns how many relay processes took something returns -1 inside,
        as nobody knows yet; the block's `taken` has the numbers afterwards. Not held,
        since they return what the caller needs now, are `prev_connect_server`,
        `clear_chan_client` and everything that reads; what is read does not contain
        what is held.
        """
        return Atomic(self)

    @property
    def holding(self) -> Atomic | None:
        """The block of this client that calls made here and now wait in, if any."""
        block = _innermost.get()
        while block is not None and not block.holds_for(self):
            block = block.before
        return block

    def _call(self, call: Call) -> Any:
        block = self.holding
        if block is not None:
            return block.add(call)
        return self._run([call])[0]

    def _run(self, calls: Sequence[Call]) -> list[Any]:
        """Sends calls in one round trip; returns what each of them returns.

        Several are one transaction: a connection that breaks loses all or none.
        """
        for call in calls:
            for event in call.events:
                for listener in self.on_send:
                    listener(event)
        pipe = self.redis.pipeline(transaction=len(calls) > 1)
        for call in calls:
            for step in call.steps:
                step(pipe)
        answers = pipe.execute()
        results = []
        for call in calls:
            results.append(call.result(answers[: len(call.steps)]))
            del answers[: len(call.steps)]
        return results
