"""Finds the one server that holds a system's keys, behind Sentinel or in a Cluster.

Which server that is may change at any moment; `redis_connection` follows it.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Sequence

from redis.connection import Connection
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    RedisError,
    ResponseError,
)

from .redis_url import Address


__all__ = [
    "NoWitness",
    "Place",
    "PlaceNotFound",
    "Question",
    "cluster_question",
    "sentinel_question",
]


class PlaceNotFound(ConnectionError):
    """Nobody knows the place, or what is there is not what it should be."""


class NoWitness(PlaceNotFound):
    """None of those who should know the place answered."""


class Question(NamedTuple):
    """How to ask for the place, and what to say if there is no good answer."""

    command: Sequence[Any]
    #: The answer, and who gave it → the place, or None.
    read: Callable[[Any, Address], Address | None]
    no_witness: str
    unknown: str
    down: str


class Place:
    """Where a system's Redis is.

    No method holds a lock while it waits: threads that ask at the same time all do so.
    """

    def __init__(
        self,
        question: Question,
        witnesses: Sequence[Address],
        asking: dict[str, Any],
        server: dict[str, Any],
        timeout: float,
    ) -> None:
        """Stores whom to ask.

        Args:
            asking: arguments of a connection to a witness.
            server: arguments of a connection to the place itself.
            timeout: seconds for connecting to all witnesses together, and for their
                answers together, so that a dead one does not cost a call its deadline.
        """
        self._question = question
        self._witnesses = witnesses
        self._asking = {"timeout": timeout / len(witnesses), **asking}
        self._server = {"timeout": timeout, **server}
        #: Who is asked first.
        self._turn = 0
        #: What was found last; None if there is reason to ask again.
        self.known: Address | None = None
        #: Told when the place was found elsewhere.
        self.waiting: set[Callable[[Address], None]] = set()

    def find(self, certain: bool = False) -> Address:
        """Asks where Redis is, and there whether it is a master.

        Args:
            certain: ask there even if it is where it was.

        Raises:
            PlaceNotFound: if that is nowhere.
            AuthenticationError: if the place wants another password.
        """
        address = self._ask()
        if certain or address != self.known:
            self._check(address)
            self.known = address
            for leave in tuple(self.waiting):
                leave(address)
        return address

    def forget(self, address: Address | None) -> None:
        """Has the place asked for again, another witness first, if it was this one."""
        if address is not None and address == self.known:
            self.known = None
            self._turn += 1

    def _ask(self) -> Address:
        first, count = self._turn, len(self._witnesses)
        reasons = []
        error: type[PlaceNotFound] = NoWitness
        text = self._question.no_witness
        for turn in range(first, first + count):
            witness = self._witnesses[turn % count]
            try:
                answer = _answer(witness, self._asking, self._question.command)
                address = self._question.read(answer, witness)
            except (RedisError, OSError) as reason:
                reasons.append(f"{_shown(witness)}: {reason}")
                continue
            if address is not None:
                self._turn = turn
                return address
            error, text = PlaceNotFound, self._question.unknown
        raise error(text + (f" ({'; '.join(reasons)})" if reasons else ""))

    def _check(self, address: Address) -> None:
        """Refuses a server that does not answer, or is a replica.

        Without it a subscription would wait for the answer of a frozen server for ever,
        and stay at a replica when the witness is behind the times.
        """
        try:
            role = _answer(address, self._server, ["ROLE"])[0]
        except AuthenticationError:
            raise
        except ResponseError:
            # The user may not ask: a replica will refuse to write.
            return
        except (RedisError, OSError) as error:
            reason = str(error)
        else:
            if role == b"master":
                return
            reason = f"it is a {role.decode()}"
        self._turn += 1
        raise PlaceNotFound(f"{self._question.down % _shown(address)} ({reason})")


def sentinel_question(service: str) -> Question:
    """Returns how to ask sentinels for the master of a service."""
    return Question(
        ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", service],
        lambda answer, _: answer and (answer[0].decode(), int(answer[1])),
        no_witness="no sentinel answers: start one of them, or correct their addresses "
        "or ?sentinel_password=",
        unknown=f"the sentinels know no service {service!r}: give the name that their "
        "'sentinel monitor' gives it",
        down=f"the sentinels name %s as the master of {service!r}, but there is none: "
        "start it, or wait for the failover",
    )


def cluster_question(slot: int) -> Question:
    """Returns how to ask nodes of a cluster for the owner of a slot."""

    def read(ranges: Any, witness: Address) -> Address | None:
        for first, last, (host, port, *_), *_ in ranges:
            if first <= slot <= last:
                # A node that does not know its own address leaves it out.
                return (host.decode() if host else witness[0]), int(port)
        return None

    return Question(
        ["CLUSTER", "SLOTS"],
        read,
        no_witness="no node of the cluster answers: start one of them, or correct "
        "their addresses or the password",
        unknown=f"no node of the cluster owns slot {slot}, where key_prefix puts all "
        "keys: give it to one with CLUSTER ADDSLOTS",
        down=f"the cluster names %s as the owner of slot {slot}, but there is no "
        "master: start it, or wait for the failover",
    )


def _answer(address: Address, settings: dict[str, Any], command: Sequence[Any]) -> Any:
    """Asks one question over a connection of its own."""
    settings = dict(settings)
    timeout = settings.pop("timeout")
    connection_class = settings.pop("connection_class", Connection)
    host, port = address
    connection = connection_class(
        host=host,
        port=port,
        socket_connect_timeout=timeout,
        socket_timeout=timeout,
        **settings,
    )
    try:
        connection.connect()
        connection.send_command(*command)
        return connection.read_response()
    finally:
        connection.disconnect()


def _shown(address: Address) -> str:
    return "{}:{}".format(*address)
