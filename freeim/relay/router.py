"""Decides who gets what: a command and the registry in, a plan out.

Routing takes two steps, so that the facts of a whole batch of commands come in one
round trip: `needs` names what Redis must be asked, `route` decides with the answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import (
    Callable,
    Generic,
    Iterable,
    Mapping,
    Sequence,
    TypeVar,
)

from ..dialects import ClientId
from ..websocket.frames import text_frame
from ..wire import ChanMessage, Command, DirectMessage, ForceOffline
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


@dataclass
class Plan(Generic[C]):
    """What is to be done about one command."""

    frame: bytes = b""
    #: Connections that get the frame.
    receivers: list[C] = field(default_factory=list)
    #: Connections that get the frame and settle a receipt with it.
    answering: list[tuple[C, Receipt]] = field(default_factory=list)
    #: Receipts that are decided already: (receipt, delivered).
    decided: list[tuple[Receipt, bool]] = field(default_factory=list)
    #: Connections that are kicked.
    kicked: list[C] = field(default_factory=list)
    #: Clients who are offline as soon as they have no socket, without a grace.
    outcasts: list[ClientId] = field(default_factory=list)


class Router(Generic[C]):
    """Routes the commands of one server channel over this process' connections.

    Every process of one server hears every command. Each delivers to its own sockets;
    `speaking` names the one that answers receipts for all of them.
    """

    def __init__(self, registry: Registry[C], nobody: ClientId) -> None:
        self._registry = registry
        self._nobody = nobody
        self._routes: dict[type, Callable[[Command, Facts, bool], Plan[C]]] = {
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

    def route(self, command: Command, facts: Facts, speaking: bool) -> Plan[C]:
        """Decides on one command; changes nothing."""
        return self._routes[type(command)](command, facts, speaking)

    def _direct(self, command: Command, facts: Facts, speaking: bool) -> Plan[C]:
        assert isinstance(command, DirectMessage)
        plan: Plan[C] = Plan(text_frame(command.content.encode()))
        receipts = speaking and self.wants_receipts(command)
        for client_id in command.receivers:
            connections = self._sockets(client_id, command.sender, facts)
            if not receipts or client_id == command.sender:
                plan.receivers.extend(connections)
                continue
            sockets = len(connections)
            receipt = Receipt(client_id, command.sender, command.content, sockets)
            if connections:
                plan.answering.extend((one, receipt) for one in connections)
            else:
                plan.decided.append((receipt, facts.totals.get(client_id, 0) > 0))
        return plan

    def _chan(self, command: Command, facts: Facts, speaking: bool) -> Plan[C]:
        assert isinstance(command, ChanMessage)
        plan: Plan[C] = Plan(text_frame(command.content.encode()))
        if command.chan is None:
            client_ids: Iterable[ClientId] = self._registry.client_ids
        else:
            client_ids = facts.members[command.chan]
        for client_id in client_ids:
            plan.receivers.extend(self._sockets(client_id, command.sender, facts))
        return plan

    def _kick(self, command: Command, facts: Facts, speaking: bool) -> Plan[C]:
        assert isinstance(command, ForceOffline)
        client_id = command.client_id
        return Plan(kicked=list(self._registry.of(client_id)), outcasts=[client_id])

    def _sockets(
        self, client_id: ClientId, sender: ClientId, facts: Facts
    ) -> Sequence[C]:
        """Returns where a client gets a message: FreeIM echoes to several sockets only.

        The count is that of all processes: the sender's other socket may be in one.
        """
        connections = self._registry.of(client_id)
        if client_id == sender and len(connections) == 1:
            return connections if facts.totals.get(sender, 1) > 1 else ()
        return connections
