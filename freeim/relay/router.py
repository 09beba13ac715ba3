"""Decides who gets what: a command and the registry in, a plan out.

Routing takes two steps, so that the facts of a whole batch of commands come in one
round trip: `needs` names what Redis must be asked, `route` decides with the answers.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import (
    Any,
    Callable,
    Generic,
    Iterable,
    Mapping,
    NamedTuple,
    Sequence,
    TypeVar,
)

from ..commands import ChanMessage, Command, DirectMessage, ForceOffline
from ..dialects import ClientId
from .audience import Audiences
from .registry import HasClient, Registry


__all__ = ["Facts", "Needs", "Plan", "Receipt", "Router"]

C = TypeVar("C", bound=HasClient)


class Receipt:
    """What a sender is owed about one receiver: delivered at the first written frame.

    `settle` is told once for each socket, and answers when the matter is decided.
    """

    __slots__ = ("_open", "content", "receiver", "sender")

    def __init__(
        self, receiver: ClientId, sender: ClientId, content: str, sockets: int
    ) -> None:
        self.receiver = receiver
        self.sender = sender
        self.content = content
        #: Sockets of which it is not yet known; 0 once the receipt is decided.
        self._open = sockets

    def settle(self, written: bool) -> bool:
        """Notes what became of the frame on one socket; returns whether to publish.

        The receipt to publish says `written`.
        """
        if self._open == 0:
            return False
        self._open = 0 if written else self._open - 1
        return self._open == 0


@dataclass
class Needs:
    """What Redis must be asked before some commands can be routed."""

    #: Channels whose members are needed.
    chans: set[str] = field(default_factory=set)
    #: Clients whose number of sockets on all nodes and processes is needed.
    totals: set[ClientId] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.chans or self.totals)


@dataclass
class Facts:
    """The answers to `Needs`."""

    members: Mapping[str, Sequence[ClientId]] = field(default_factory=dict)
    totals: Mapping[ClientId, int] = field(default_factory=dict)
    #: The router's own notes: a channel's receivers without a sender who gets no echo,
    #: by channel and sender, each with the list that it was made of.
    rests: dict[tuple[str | None, ClientId], tuple[Sequence[Any], list[Any]]] = field(
        default_factory=dict
    )


class Plan(NamedTuple):
    """What is to be done about one command; `C` is what stands for a connection."""

    #: The message, as the browser gets it.
    content: bytes = b""
    #: Connections that get the message. Not to be kept: it may be the registry's own.
    receivers: Sequence[Any] = ()
    #: Connections that get the message and settle a receipt with it.
    answering: Sequence[tuple[Any, Receipt]] = ()
    #: Receipts that are decided already: (receipt, delivered).
    decided: Sequence[tuple[Receipt, bool]] = ()
    #: Connections that are kicked.
    kicked: Sequence[Any] = ()
    #: Clients who are offline as soon as they have no socket, without a grace.
    outcasts: Sequence[ClientId] = ()


class Router(Generic[C]):
    """Routes the commands of one server channel over this process' connections.

    Every process of one server hears every command. Each delivers to its own sockets;
    `speaking` names the one that answers receipts for all of them.
    """

    def __init__(self, registry: Registry[C], nobody: ClientId) -> None:
        self._registry = registry
        self._nobody = nobody
        self._audiences: Audiences[C] = Audiences(registry)
        self._routes: dict[type, Callable[[Any, Facts, bool], Plan]] = {
            DirectMessage: self._direct,
            ChanMessage: self._chan,
            ForceOffline: self._kick,
        }

    def wants_receipts(self, command: Command) -> bool:
        """Tells whether one process must answer for what becomes of a command."""
        return (
            isinstance(command, DirectMessage)
            and command.receipt
            and command.sender != self._nobody
        )

    def needs(self, commands: Iterable[Command], speaking: bool) -> Needs:
        """Names what `route` must know about these commands."""
        needs = Needs()
        for command in commands:
            if isinstance(command, ChanMessage):
                if command.chan is not None:
                    needs.chans.add(command.chan)
                echo = True
            elif isinstance(command, DirectMessage):
                if speaking and self.wants_receipts(command):
                    # A receiver without a socket here may have one in another process.
                    needs.totals.update(
                        one for one in command.receivers if not self._registry.of(one)
                    )
                echo = command.sender in command.receivers
            else:
                continue
            if echo and len(self._registry.of(command.sender)) == 1:
                needs.totals.add(command.sender)
        return needs

    def route(self, command: Command, facts: Facts, speaking: bool) -> Plan:
        """Decides on one command; changes nothing."""
        return self._routes[type(command)](command, facts, speaking)

    def _direct(self, command: Any, facts: Facts, speaking: bool) -> Plan:
        content = command.content.encode()
        if speaking and self.wants_receipts(command):
            return self._with_receipts(command, content, facts)
        if len(command.receivers) == 1:
            # Micro-optimization (bench: direct): no list of one.
            client_id = command.receivers[0]
            return Plan(content, self._sockets(client_id, command.sender, facts))
        receivers: list[C] = []
        for client_id in command.receivers:
            receivers += self._sockets(client_id, command.sender, facts)
        return Plan(content, receivers)

    def _with_receipts(
        self, command: DirectMessage, content: bytes, facts: Facts
    ) -> Plan:
        receivers: list[C] = []
        answering: list[tuple[C, Receipt]] = []
        decided = []
        for client_id in command.receivers:
            connections = self._sockets(client_id, command.sender, facts)
            if client_id == command.sender:
                receivers += connections
                continue
            receipt = Receipt(
                client_id, command.sender, command.content, len(connections)
            )
            if connections:
                answering += [(one, receipt) for one in connections]
            else:
                decided.append((receipt, facts.totals.get(client_id, 0) > 0))
        return Plan(content, receivers, answering, decided)

    def _chan(self, command: Any, facts: Facts, speaking: bool) -> Plan:
        chan, sender = command.chan, command.sender
        members = None if chan is None else facts.members[chan]
        receivers = self._audiences.of(chan, members)
        if not self._echoes(sender, facts):
            receivers = self._without(sender, receivers, chan, facts)
        return Plan(command.content.encode(), receivers)

    def _without(
        self, sender: ClientId, whole: Sequence[C], chan: str | None, facts: Facts
    ) -> Sequence[C]:
        """Leaves the one socket of a sender out; the same answer in the whole batch."""
        known = facts.rests.get((chan, sender))
        if known is not None and known[0] is whole:
            return known[1]
        rest = list(whole)
        with contextlib.suppress(ValueError):
            rest.remove(self._registry.of(sender)[0])
        facts.rests[chan, sender] = whole, rest
        return rest

    def _kick(self, command: Any, facts: Facts, speaking: bool) -> Plan:
        client_id = command.client_id
        return Plan(kicked=list(self._registry.of(client_id)), outcasts=(client_id,))

    def _sockets(
        self, client_id: ClientId, sender: ClientId, facts: Facts
    ) -> Sequence[C]:
        """Returns where a client gets a direct message."""
        if client_id == sender and not self._echoes(sender, facts):
            return ()
        return self._registry.of(client_id)

    def _echoes(self, sender: ClientId, facts: Facts) -> bool:
        """Whether a sender gets his own message: if he has several sockets.

        The count is that of all processes: his other socket may be in one. A sender
        without a socket here gets nothing here in any case.
        """
        return len(self._registry.of(sender)) != 1 or facts.totals.get(sender, 1) > 1
