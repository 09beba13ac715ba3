"""The way to a relay: Redis, the application, and each layer of the connection."""

from __future__ import annotations

from typing import Any

from ..dialects import ClientId
from ..errors import WireError
from .address import Address, check_address, read_address
from .answers import kind_of_close
from .findings import Fault, Step
from .link import Ended, Link, connect, encrypt, resolve
from .plan import Plan, Skipped
from .witness import reserved_id


__all__ = ["Approach"]


class Approach:
    """Steps that end with a socket which the relay has taken."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._witness = plan.witness
        #: Whose socket it is, where Redis says so.
        self.client_id: ClientId | None = None
        #: The socket, after the step `upgrade`.
        self.link: Link
        self._address: Address
        self._endpoints: list[Any] = []
        self._sock: Any = None

    def steps(self) -> list[Step]:
        """Returns the steps in their order, each with its name."""
        return [
            ("redis", self._look_at_redis),
            ("application", self._ask),
            ("address", self._check_address),
            ("dns", self._resolve),
            ("tcp", self._connect),
            ("tls", self._encrypt),
            ("upgrade", self._upgrade),
            ("token", self._see_token),
        ]

    def close(self) -> None:
        """Closes the connection if there is one."""
        if self._sock is not None:
            self._sock.close()

    def _look_at_redis(self) -> str:
        return self._plan.need_witness().check()

    def _ask(self) -> str:
        plan = self._plan
        if plan.question is None:
            client = self._plan.need_witness().client
            self.client_id = reserved_id(client, plan.server)
            url = client.prev_connect_server(self.client_id, "freeim doctor")
            self._address = read_address(url)
            return f"not asked: the token is made here, for client {self.client_id}"
        url, seen = plan.question.ask(plan.context, plan.timeout)
        self._address = read_address(url)
        if self._witness is None:
            return seen
        try:
            token = self._witness.token(self._address.token)
        except WireError as error:
            raise Skipped(
                f"{seen}; its token is not FreeIM's: {error.reason}"
            ) from None
        if token is None and self._address.token:
            seen += ", but its token is not in Redis"
            raise Fault("application", "other_redis", seen)
        self.client_id = token and token.client_id
        return f"{seen}; the token is client {self.client_id}'s"

    def _check_address(self) -> str:
        return check_address(self._address, self._plan.origin)

    def _resolve(self) -> str:
        host = self._address.host
        self._endpoints = resolve(host, self._address.port)
        found = ", ".join(str(endpoint[0]) for _, endpoint in self._endpoints)
        return f"{host} is {found}"

    def _connect(self) -> str:
        self._sock, seen = connect(self._endpoints, self._plan.timeout)
        return "; ".join(seen)

    def _encrypt(self) -> str:
        if not self._address.secure:
            raise Skipped("the address says ws://")
        self._sock, seen = encrypt(self._sock, self._address.host, self._plan.context)
        return seen

    def _upgrade(self) -> str:
        if self._witness is not None and self.client_id is not None:
            self._witness.note(self.client_id)
        self.link = Link(self._sock, self._plan.timeout)
        try:
            return self.link.open(self._address, self._plan.origin)
        except Fault as fault:
            raise self._untaken(fault) from fault

    def _untaken(self, fault: Fault) -> Fault:
        """Tells a token that was refused from one that was not looked for there."""
        if self._witness and (fault.hop, fault.kind) == ("token", "refused"):
            if self._witness.token(self._address.token) is not None:
                return Fault("token", "not_taken", fault.seen)
        return fault

    def _see_token(self) -> str:
        # Where the 101 is out before the token was looked at, a close frame says it.
        try:
            self.link.round_trip("token", "silent")
        except Ended as ended:
            hop, kind = kind_of_close(ended.code)
            raise self._untaken(Fault(hop, kind, str(ended))) from ended
        return "the relay took it, and answers"
