"""At the relay: its name, a message and a receipt, pings, rest, and the end."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any, Callable

from wsproto.events import CloseConnection, Event, TextMessage

from ..dialects import ClientId
from .answers import kind_of_end, kind_of_idle_end
from .approach import Approach
from .findings import Fault, Step
from .link import Ended, Link, since
from .plan import Plan, Skipped
from .witness import Witness, reserved_id


__all__ = ["Stay"]

#: Pings of which the fastest counts.
PINGS = 3

#: Seconds between two looks at Redis.
LOOK = 0.02


class Stay:
    """Steps on a socket that the relay has taken."""

    def __init__(self, plan: Plan, approach: Approach) -> None:
        self._plan = plan
        self._approach = approach

    def steps(self) -> list[Step]:
        """Returns the steps in their order, each with its name."""
        return [
            ("node", self._find_node),
            ("message", self._send_message),
            ("receipt", self._get_receipt),
            ("ping", self._ping),
            ("idle", self._idle),
            ("close", self._close),
        ]

    @property
    def _link(self) -> Link:
        return self._approach.link

    def _find_node(self) -> str:
        witness, client_id = self._need_client()
        expected = witness.server_of_messages(client_id)
        deadline = time.monotonic() + self._plan.timeout
        while (answered := witness.holder(client_id)) is None:
            if time.monotonic() > deadline:
                raise Fault("node", "not_counted", f"client {client_id} is not online")
            self._expect("node", lambda event: False, LOOK)
        if not answered:
            raise Skipped(f"client {client_id} is online at a node that gives no name")
        if answered != expected:
            servers = witness.client.options.servers
            kind = "misrouted" if answered in servers else "unknown_name"
            seen = f"asked for {expected}, answered by {answered}"
            raise Fault(
                "node",
                kind,
                seen,
                expected=expected,
                answered=answered,
                servers=servers,
            )
        return f"{answered} holds the socket of client {client_id}, as it should"

    def _send_message(self) -> str:
        witness, client_id = self._need_client()
        nobody = witness.client.wire.dialect.nobody
        return self._send("message", nobody, client_id, False)

    def _get_receipt(self) -> str:
        witness, client_id = self._need_client()
        server = witness.server_of_messages(client_id)
        receiver = client_id
        while receiver == client_id:
            receiver = reserved_id(witness.client, server)
        return self._send("receipt", client_id, receiver, True)

    def _send(
        self, hop: str, sender: ClientId, receiver: ClientId, receipt: bool
    ) -> str:
        client = self._plan.need_witness().client
        mark = secrets.token_hex(8)
        begun = time.monotonic()
        message = {"type": "freeim doctor", "mark": mark}
        count = client.send_message(sender, [receiver], message, receipt)
        server = self._plan.need_witness().server_of_messages(receiver)
        if not count:
            seen = f"no relay took a message for {server}"
            channel = client.wire.server_channel(server)
            raise Fault(hop, "nobody_listens", seen, channel=channel, server=server)
        answer = self._expect(
            hop,
            lambda event: isinstance(event, TextMessage) and mark in event.data,
            self._plan.timeout,
        )
        if answer is None:
            seen = f"nothing came within {self._plan.timeout:g} s"
            raise Fault(hop, "not_received", seen, count=count)
        came = f"through Redis and back in {since(begun)}"
        return f"{json.loads(answer.data)['receipt']}: {came}" if receipt else came

    def _ping(self) -> str:
        try:
            times = [self._link.round_trip("ping", "no_pong") for _ in range(PINGS)]
        except Ended as ended:
            raise Fault("ping", kind_of_end(ended.code), str(ended)) from ended
        return f"answered in {min(times) * 1000:.1f} ms"

    def _idle(self) -> str:
        begun, idle = time.monotonic(), self._plan.idle
        try:
            self._link.wait(lambda event: False, idle)
        except Ended as ended:
            seconds = f"{time.monotonic() - begun:.1f} s"
            seen = f"{ended}, after {seconds}"
            kind = kind_of_idle_end(ended.code)
            raise Fault("idle", kind, seen, seconds=seconds) from ended
        seen = f"open after {idle:g} s, {self._link.pings} pings of the relay"
        return seen if idle >= 60 else f"{seen}; most proxies cut at 60 s: --idle 70"

    def _close(self) -> str:
        """Has a reserved client kicked; another's socket is closed from here."""
        kicked = self._plan.question is None
        try:
            if kicked:
                witness, client_id = self._need_client()
                witness.client.force_offline(client_id)
            else:
                self._link.send(CloseConnection(code=1000))
            self._link.wait(lambda event: False, self._plan.timeout)
        except Ended as ended:
            if ended.code is None:
                raise Fault("close", "lost", str(ended)) from ended
            return f"{'kicked' if kicked else 'closed from here'}, {ended}"
        seen = f"still open {self._plan.timeout:g} s later"
        raise Fault("close", "no_close", seen)

    def _need_client(self) -> tuple[Witness, Any]:
        return self._plan.need_witness(), self._approach.client_id

    def _expect(self, hop: str, wanted: Callable[[Event], bool], seconds: float) -> Any:
        try:
            return self._link.wait(wanted, seconds)
        except Ended as ended:
            raise Fault(hop, kind_of_end(ended.code), str(ended)) from ended
