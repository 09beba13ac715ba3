"""The relay: holds the sockets of one process and pushes what Redis says to them."""

from __future__ import annotations

import logging
import secrets
import time
from typing import Any, NamedTuple

import gevent
from gevent import monkey
from gevent.event import AsyncResult, Event
from redis.exceptions import RedisError

from ..dialects import ClientId
from ..errors import ConfigurationError, WireError
from ..options import RelayOptions
from ..presence import Ledger, Share
from ..redis_client import check_redis, open_redis
from ..websocket.frames import CloseReason, close_frame
from ..websocket.handshake import BAD_TOKEN, DRAINING, NO_REDIS, Refusal
from .clerk import Clerk
from .connection import CLOSE_TIMEOUT, Connection
from .dispatcher import Dispatcher
from .heartbeat import Heartbeat
from .metrics import Metrics
from .registry import Registry
from .subscriber import Subscriber
from .transport import Transport


__all__ = ["Admission", "Relay"]

logger = logging.getLogger(__name__)

#: Seconds for connecting to Redis, and for its answers.
CONNECT_TIMEOUT, TIMEOUT = 1.0, 2.0

#: Seconds between two attempts to write counts that Redis did not take.
MEND_INTERVAL = 0.5


class Admission(NamedTuple):
    """Whose socket it will be, and the token value that says so."""

    client_id: ClientId
    token_value: str


class Relay:
    """One relay process: the composition root of this folder."""

    def __init__(self, options: RelayOptions) -> None:
        """Stores the options; `start` acts."""
        self.options = options
        self.metrics = Metrics()
        self.draining = False
        wire = self._wire = options.wire
        redis = self._redis = open_redis(
            options.redis, connect_timeout=CONNECT_TIMEOUT, timeout=TIMEOUT
        )
        #: Each boot of each process is a node of its own.
        self.node = f"{options.server}:{secrets.token_hex(8)}"
        self._registry: Registry[Connection] = Registry()
        self._ledger = Ledger(wire, self.node)
        self._clerk = Clerk(redis, self.metrics)
        self._dispatcher = Dispatcher(
            redis, self._registry, self._ledger, self._clerk, options, self.metrics
        )
        self._subscriber = Subscriber(
            redis, self._dispatcher.channel, self._dispatcher.take, self.metrics
        )
        self._heartbeat: Heartbeat[Connection] = Heartbeat(
            options.ping_interval, options.idle_timeout
        )
        #: Clients whose count Redis did not take, with the token value of the last.
        self._unsaid: dict[ClientId, str] = {}
        self._timers: list[gevent.Greenlet[[], None]] = []
        self._misrouted = False
        #: Set when the last socket of a draining relay has ended.
        self._empty = Event()

    def __repr__(self) -> str:
        return f"<Relay {self.node} {self._registry!r}>"

    # Life

    def check(self) -> None:
        """Finds out whether the relay can work here.

        Raises:
            ConfigurationError: if Redis cannot be used, or no lock file be held.
        """
        check_redis(self._redis, self.options.redis)
        try:
            self._dispatcher.spokesman.check()
        except OSError as error:
            remedy = "point TMPDIR to a folder that this user may write to"
            raise ConfigurationError(
                "TMPDIR", self._dispatcher.spokesman.path, remedy
            ) from error

    def start(self) -> None:
        """Subscribes and starts the timers; returns at once.

        Raises:
            ConfigurationError: if the process was not monkey-patched by gevent.
        """
        if not monkey.is_module_patched("socket"):
            remedy = "run the relay with 'gunicorn -k gevent' or 'freeim relay'"
            raise ConfigurationError("socket", "not patched by gevent", remedy)
        self._clerk.start()
        self._subscriber.start()
        self._timers = [gevent.spawn(self._beat), gevent.spawn(self._mend)]
        logger.info("= node %s serves %s", self.node, self._dispatcher.channel)

    def stop(self) -> None:
        """Closes all sockets with 1001, spread over the drain window, and ends.

        Returns when the counts of all sockets are out of Redis, or after the window
        and some seconds more. Safe to call again, from another greenlet too.
        """
        if self.draining:
            gevent.joinall(self._timers)
            return
        self.draining = True
        self._drain()
        self._subscriber.stop()
        self._clerk.stop(CONNECT_TIMEOUT + TIMEOUT)
        self._dispatcher.spokesman.resign()
        gevent.killall(self._timers)
        logger.info("= node %s has ended", self.node)

    @property
    def ready(self) -> bool:
        """Whether new sockets are welcome: subscribed and not draining."""
        return self._subscriber.subscribed.is_set() and not self.draining

    # Sockets

    def admit(self, token: str) -> Admission | Refusal:
        """Consumes a token and says whose socket may open, or why none."""
        if self.draining:
            return DRAINING
        try:
            value = self._clerk.submit(
                lambda pipe: self._ledger.take_token(pipe, token)
            ).get()
        except (RedisError, OSError):
            # The clerk logged it.
            return NO_REDIS
        if value is None:
            return BAD_TOKEN
        try:
            admitted = self._wire.decode_token(value)
        except WireError as error:
            logger.warning("< token value refused: %s", error.reason)
            return BAD_TOKEN
        self._check_node(admitted.client_id)
        return Admission(admitted.client_id, value.decode())

    def open(
        self, transport: Transport, admission: Admission, head: bytes
    ) -> Connection:
        """Makes a connection of a socket and counts it online.

        The client is reachable before Redis says that it is online, so an answer to
        its Online event finds it. Spawn `run` of the connection next.

        Args:
            head: the rest of the handshake, sent before any frame.
        """
        connection = Connection(
            transport,
            admission.client_id,
            admission.token_value,
            outbox_limit=self.options.outbox_limit,
            message_limit=self.options.message_limit,
            on_end=self._ended,
            on_settled=self._dispatcher.settled,
        )
        connection.outbox.put(head)
        self._registry.add(connection)
        self._heartbeat.add(connection)
        self.metrics.opened.inc()
        self.metrics.sockets.set(len(self._registry))
        answer = self._say(admission.client_id, admission.token_value)
        try:
            answer.get()
        except (RedisError, OSError):
            # It stays in _unsaid, which tells Redis of its end too.
            connection.close(CloseReason.TRY_LATER)
        if self.draining:
            connection.close(CloseReason.GOING_AWAY)
        return connection

    def refuse(self, transport: Transport, refusal: Refusal) -> None:
        """Closes a socket whose 101 was out before it could be refused."""
        frame = close_frame(refusal.close.code, refusal.close.text)
        try:
            transport.sock.sendall(frame)
            transport.sock.close()
        except OSError as error:
            logger.debug("! refused socket: %s", error)

    def _check_node(self, client_id: ClientId) -> None:
        """Says once that clients come whose messages go to another node."""
        server = self._wire.dialect.select_server(client_id, self.options.servers)
        if server == self.options.server:
            return
        self.metrics.misrouted.inc()
        if not self._misrouted:
            self._misrouted = True
            logger.warning(
                "< client %s came to %s but its messages go to %s: compare the servers "
                "of all parts, and the addresses that public_url leads to",
                client_id,
                self.options.server,
                server,
            )

    def _ended(self, connection: Connection) -> None:
        self._registry.remove(connection)
        self._heartbeat.remove(connection)
        # By reason: a browser may close with thousands of codes of its own.
        reason = connection.reason or CloseReason.LOST
        self.metrics.closed.labels(str(reason.code)).inc()
        self.metrics.sockets.set(len(self._registry))
        self._say(connection.client_id, connection.token_value)
        if self.draining and not len(self._registry):
            self._empty.set()

    def _say(self, client_id: ClientId, token_value: str) -> AsyncResult[Any]:
        """Has the client's count written; one that fails is tried again by `_mend`."""
        share = Share(client_id, len(self._registry.of(client_id)), token_value)
        answer = self._clerk.submit(lambda pipe: self._ledger.say(pipe, share))

        def note(result: AsyncResult[Any]) -> None:
            if result.exception is not None:
                self._unsaid[client_id] = token_value

        answer.rawlink(note)
        return answer

    # Timers

    def _beat(self) -> None:
        while True:
            gevent.sleep(self._heartbeat.tick)
            due, silent = self._heartbeat.beat(time.monotonic())
            for connection in silent:
                connection.close(CloseReason.SILENT)
            for connection in due:
                connection.ping()

    def _mend(self) -> None:
        """Says again what Redis did not take; the counts are those of this moment."""
        while True:
            gevent.sleep(MEND_INTERVAL)
            if self._unsaid and self._subscriber.subscribed.is_set():
                unsaid, self._unsaid = self._unsaid, {}
                for client_id, token_value in unsaid.items():
                    self._say(client_id, token_value)

    def _drain(self) -> None:
        connections = self._registry.connections()
        window = self.options.drain_window
        begin = time.monotonic()
        for number, connection in enumerate(connections):
            ahead = begin + window * number / len(connections) - time.monotonic()
            if ahead > 0:
                gevent.sleep(ahead)
            connection.close(CloseReason.GOING_AWAY)
        if len(self._registry):
            # Each ends within CLOSE_TIMEOUT, whatever its peer does.
            self._empty.wait(CLOSE_TIMEOUT + 1)
