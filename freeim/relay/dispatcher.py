"""Carries out what Redis says: look up, route, write, answer, a batch at a time."""

from __future__ import annotations

import logging
import time
from typing import Any, Callable, Union

from redis.exceptions import RedisError

from ..commands import ChanMessage, Command, Handover
from ..dialects import ClientId
from ..errors import WireError
from ..options import RelayOptions
from ..presence import Ledger
from ..websocket.frames import CloseReason
from .clerk import Clerk
from .connection import Connection
from .fanout import DeflatingFanout, Fanout
from .members import Members
from .metrics import Metrics
from .pace import Pace
from .registry import Registry
from .roster import Roster
from .router import Facts, Needs, Plan, Receipt, Router
from .spokesman import Spokesman


__all__ = ["Dispatcher"]

logger = logging.getLogger(__name__)

AnyFanout = Union[Fanout, DeflatingFanout]


class Dispatcher:
    """Everything between the subscription and the sockets.

    `take` is called by one greenlet only, so each socket gets its messages in the
    order in which they were published.
    """

    def __init__(
        self,
        redis: Any,
        registry: Registry[Connection],
        ledger: Ledger,
        roster: Roster,
        clerk: Clerk,
        members: Members,
        options: RelayOptions,
        metrics: Metrics,
        node: str,
    ) -> None:
        """Takes what each part is for, and this process' own name."""
        self._redis = redis
        self._ledger = ledger
        self._roster = roster
        self._clerk = clerk
        self._members = members
        self._metrics = metrics
        self._servers = options.servers
        self._kick_code = options.kick_code
        self._compress = options.compress
        self._wire = options.wire
        self._router: Router[Connection] = Router(registry, self._wire.dialect.nobody)
        #: The channel that this server's messages come by.
        self.channel = self._wire.server_channel(options.server)
        #: Says whether this process answers for all of this server's.
        self.spokesman = Spokesman(f"{options.redis} {self.channel}", node)

    def take(self, batch: list[bytes], more: Callable[[], list[bytes]]) -> None:
        """Delivers a batch: one look-up for all, and one write a socket.

        Args:
            more: returns what has arrived since, without waiting.
        """
        pace, begun = Pace(), time.monotonic()
        commands = self._decode(batch, pace)
        while commands:
            commands = self._carry_out(commands, more, pace)
        self._metrics.fanout.observe(time.monotonic() - begun)

    def hand_over(self, timeout: float) -> None:
        """Answers for what was published until now, and leaves the rest to another.

        Returns when all of that was heard, or after some seconds.
        """
        if self.spokesman.holds:
            order = self._wire.encode_handover(Handover(self.spokesman.node))
            self._clerk.submit(lambda pipe: pipe.publish(self.channel, order))
            self.spokesman.left.wait(timeout)

    def settled(self, mark: Receipt, written: bool) -> None:
        """Notes what became of a frame that a receipt waits for."""
        if mark.settle(written):
            self._answer(mark, written)

    def _carry_out(
        self, commands: list[Command], more: Callable[[], list[bytes]], pace: Pace
    ) -> list[Command]:
        """Carries out a handover, or what comes before it; returns the rest."""
        if isinstance(commands[0], Handover):
            self.spokesman.heed(commands[0].node)
            return commands[1:]
        kinds = set(map(type, commands))
        run, rest = _until_handover(commands) if Handover in kinds else (commands, [])
        speaking, able, facts = self._prepare(run)
        if able is run and not rest and ChanMessage in kinds:
            # To read the members takes a while, and to write to them a long one: what
            # has come since shares the writes.
            later, rest = _until_handover(self._decode(more(), pace))
            if later:
                speaking, able, facts = self._prepare(run + later)
        self._deliver(able, facts, speaking, pace)
        return rest

    def _prepare(self, commands: list[Command]) -> tuple[bool, list[Command], Facts]:
        """Returns whether we answer, and what `_look_up` does."""
        asked = any(self._router.wants_receipts(command) for command in commands)
        speaking = asked and self.spokesman.speaking()
        return (speaking, *self._look_up(commands, speaking))

    def _deliver(
        self, commands: list[Command], facts: Facts, speaking: bool, pace: Pace
    ) -> None:
        fanout = DeflatingFanout(pace) if self._compress else Fanout(pace)
        frames: dict[type, int] = dict.fromkeys(map(type, commands), 0)
        left = len(commands)
        for some in pace.steps(commands):
            left -= len(some)
            for command in some:
                plan = self._router.route(command, facts, speaking)
                frames[type(command)] += len(plan.receivers) + len(plan.answering)
                if plan.receivers:
                    fanout.add(plan.receivers, plan.content)
                if plan.answering or plan.decided:
                    self._answer_for(plan, fanout)
                if plan.outcasts:
                    fanout.flush()
                    self._cast_out(plan)
            if left:
                # Somebody may come or go while others work.
                fanout.end_run()
        fanout.flush()
        # Only now: somebody waits for what is above.
        self._metrics.count_commands(commands)
        self._metrics.count_frames(frames)

    def _decode(self, batch: list[bytes], pace: Pace) -> list[Command]:
        commands = []
        for part in pace.steps(batch):
            for data in part:
                try:
                    commands.append(self._wire.decode_command(data))
                except WireError as error:
                    self._skip(error)
        return commands

    def _skip(self, error: WireError) -> None:
        self._metrics.malformed.inc()
        # Every process of this server heard it; one line is enough.
        level = logging.WARNING if self.spokesman.speaking() else logging.DEBUG
        logger.log(level, "< %s: message skipped: %s", self.channel, error)

    def _look_up(
        self, commands: list[Command], speaking: bool
    ) -> tuple[list[Command], Facts]:
        """Returns the facts, and the commands that can be carried out with them."""
        needs = self._router.needs(commands, speaking)
        if not needs:
            return commands, Facts()
        try:
            return commands, self._ask(needs)
        except (RedisError, OSError) as error:
            self._metrics.redis_failures.inc()
            able = [one for one in commands if not self._router.needs([one], speaking)]
            logger.warning(
                "! redis: %d messages dropped, their receivers are not known: %s",
                len(commands) - len(able),
                error,
            )
            return able, Facts()

    def _ask(self, needs: Needs) -> Facts:
        members = self._members.of(needs.chans)
        totals: dict[ClientId, int] = {}
        if needs.totals:
            clients = list(needs.totals)
            pipe = self._redis.pipeline(transaction=False)
            self._ledger.totals(pipe, clients)
            totals = self._ledger.read_totals(clients, pipe.execute()[0])
        # Who lingers here counts, but has no socket for a message.
        sockets = {one: totals[one] - self._roster.lingers(one) for one in totals}
        return Facts(members, sockets)

    def _answer_for(self, plan: Plan, fanout: AnyFanout) -> None:
        for connection, receipt in plan.answering:
            fanout.write_now(connection, plan.content, receipt)
        for receipt, delivered in plan.decided:
            self._answer(receipt, delivered)

    def _cast_out(self, plan: Plan) -> None:
        for connection in plan.kicked:
            connection.close(CloseReason.KICKED, self._kick_code)
        for client_id in plan.outcasts:
            self._roster.cast_out(client_id)

    def _answer(self, receipt: Receipt, delivered: bool) -> None:
        wire = self._wire
        server = wire.dialect.select_server(receipt.sender, self._servers)
        channel = wire.server_channel(server)
        payload = wire.encode_receipt(
            receipt.receiver, receipt.sender, receipt.content, delivered
        )
        self._metrics.receipts.labels(str(delivered)).inc()
        self._clerk.submit(lambda pipe: pipe.publish(channel, payload))


def _until_handover(commands: list[Command]) -> tuple[list[Command], list[Command]]:
    """Returns what comes before the first handover, and the rest."""
    for at, command in enumerate(commands):
        if isinstance(command, Handover):
            return commands[:at], commands[at:]
    return commands, []
