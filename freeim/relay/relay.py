"""The relay: holds the sockets of one process and pushes what Redis says to them."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from gevent import monkey

from ..errors import ConfigurationError
from ..options import RelayOptions
from ..presence import Ledger
from ..reaper import Reaper
from ..redis_client import check_redis, open_redis
from ..websocket.address import Visitor
from ..websocket.frames import CloseReason
from ..websocket.handshake import DRAINING, Refusal
from .access_log import hide_tokens, log_end
from .clerk import Clerk
from .connection import Connection
from .dispatcher import Dispatcher
from .drain import Drain
from .garbage import collect_rarely
from .gate import Admission, Gate
from .heartbeat import Heartbeat
from .lease import Lease
from .members import Members
from .metrics import Metrics
from .registry import Registry
from .roster import Roster
from .sampler import Sampler
from .sending import Terms
from .subscriber import Subscriber
from .timers import Timers
from .transport import Transport
from .watchdog import Watchdog


__all__ = ["Relay"]

logger = logging.getLogger(__name__)

#: Seconds for connecting to Redis, and for its answers.
CONNECT_TIMEOUT, TIMEOUT = 1.0, 2.0

#: Seconds for which a relay that ends goes on answering receipts, until it has heard
#: what was published before.
HANDOVER_TIMEOUT = 1.0


class Relay:
    """One relay process: the composition root of this folder."""

    def __init__(self, options: RelayOptions) -> None:
        """Stores the options; `start` acts."""
        self.options = options
        self.metrics = Metrics()
        wire = self._wire = options.wire
        redis = self._redis = open_redis(
            options.redis,
            connect_timeout=CONNECT_TIMEOUT,
            timeout=TIMEOUT,
            key_prefix=options.key_prefix,
        )
        #: Each boot of each process is a node of its own.
        self.node = f"{options.server}:{secrets.token_hex(8)}"
        self._registry: Registry[Connection] = Registry()
        self._ledger = Ledger(wire, self.node, options.lease_ttl)
        self._clerk = Clerk(redis, self.metrics)
        self._roster = Roster(
            self._registry, self._ledger, self._clerk, wire, options.offline_grace
        )
        self._drain = Drain(self._registry, options.drain_window)
        self._sampler = Sampler(self._registry, self._drain, options, self.metrics)
        self._lease = Lease(
            self._ledger,
            Reaper(redis, wire),
            self._clerk,
            options.lease_ttl,
            self._restore,
            self._sampler.report,
            self.metrics,
        )
        self.gate = Gate(
            self._ledger,
            self._clerk,
            options,
            self.metrics,
            self._registry.of,
            self._serves,
        )
        self._members = Members(redis, wire, TIMEOUT, self.metrics)
        self._dispatcher = Dispatcher(
            redis,
            self._registry,
            self._ledger,
            self._roster,
            self._clerk,
            self._members,
            options,
            self.metrics,
            self.node,
        )
        probe_channel = wire.probe_channel(self.node)
        self._subscriber = Subscriber(
            redis,
            self._dispatcher.channel,
            probe_channel,
            self._dispatcher.take,
            self._dispatcher.spokesman.listens,
            self._lease.doubt,
            self._members,
            self.metrics,
        )
        self._terms = Terms(
            options.outbox_limit,
            options.message_limit,
            options.max_frames_per_second,
            self._ended,
            self._dispatcher.settled,
        )
        self._watchdog = Watchdog(
            redis, probe_channel, self._subscriber, self.drain, self.metrics
        )
        self._heartbeat: Heartbeat[Connection] = Heartbeat(
            options.ping_interval, options.idle_timeout
        )
        self._timers = Timers(
            self._heartbeat,
            self._roster,
            self._subscriber.subscribed.is_set,
            options.check_interval,
            self.metrics,
        )
        self._stopping = False

    def __repr__(self) -> str:
        return f"<Relay {self.node} {self._registry!r}>"

    # Life

    def check(self) -> None:
        """Finds out whether the relay can work here.

        Raises:
            ConfigurationError: if Redis cannot be used, or no lock file be held.
        """
        check_redis(self._redis, self.options.redis)
        self._dispatcher.spokesman.check()

    def start(self) -> None:
        """Subscribes and starts the timers; returns at once.

        Raises:
            ConfigurationError: if the process was not monkey-patched by gevent.
        """
        if not monkey.is_module_patched("socket"):
            remedy = "run the relay with 'gunicorn -k gevent' or 'freeim relay'"
            raise ConfigurationError("socket", "not patched by gevent", remedy)
        hide_tokens()
        collect_rarely()
        self._clerk.start()
        self._lease.start()
        self._sampler.start()
        self._subscriber.start()
        self._watchdog.start()
        self._timers.start()
        logger.info("= node %s serves %s", self.node, self._dispatcher.channel)

    def stop(self, hurry: bool = False) -> None:
        """Closes all sockets with 1001, spread over the drain window, and ends.

        In a hurry they are closed at once, also if a drain is under way. Returns when
        the counts of all sockets are out of Redis, or after the window and some seconds
        more. Safe to call again, from another greenlet too.
        """
        if hurry:
            self._drain.hurry()
        if self._stopping:
            self._timers.join()
            return
        self._stopping = True
        self.drain()
        self._sampler.stop()
        self._watchdog.stop()
        self._dispatcher.hand_over(HANDOVER_TIMEOUT)
        self._subscriber.stop()
        self._members.close()
        self._lease.stop()
        if self._roster.lingering:
            # They count until their grace has passed; then another node takes them out.
            self._clerk.submit(self._leave_for_grace)
        else:
            self._clerk.submit(self._ledger.forget)
        # Before the clerk, which may wait for Redis: from now on nobody else would.
        self._dispatcher.spokesman.resign()
        self._clerk.stop(TIMEOUT)
        self._timers.stop()
        logger.info("= node %s has ended", self.node)

    def drain(self, window: float | None = None) -> None:
        """Parts from all sockets, over some seconds, and takes no others."""
        self._roster.gather()
        self._drain.run(window)
        self._roster.tick()

    @property
    def draining(self) -> bool:
        """Whether the relay was told to part from its sockets."""
        return self._drain.begun

    @property
    def ready(self) -> bool:
        """Whether new sockets are welcome: it hears, is heard of, and stays."""
        return (
            self._subscriber.subscribed.is_set()
            and self._watchdog.content
            and self._lease.held
            and not self.draining
        )

    # Sockets

    def admit(self, token: str, visitor: Visitor) -> Admission | Refusal:
        """Says whose socket may open, which then counts until its end, or why none."""
        if self.draining:
            return DRAINING
        return self.gate.admit(token, visitor)

    def _serves(self) -> bool:
        # Who came in now would miss what is sent until the subscription stands.
        subscribed = self._subscriber.subscribed.wait(TIMEOUT)
        return bool(subscribed) and self._lease.wait(TIMEOUT)

    def open(
        self,
        transport: Transport,
        admission: Admission,
        head: bytes,
        deflates: bool = False,
    ) -> Connection:
        """Makes a connection of a socket and has it counted online; then it starts.

        The client is reachable before Redis says that it is online, so an answer to
        its Online event finds it.

        Args:
            head: the rest of the handshake, sent before any frame.
            deflates: whether it agreed to permessage-deflate.
        """
        connection = Connection(
            transport,
            admission.client_id,
            admission.token_value,
            head,
            self._terms,
            deflates,
        )
        connection.visitor = admission.visitor
        self._registry.add(connection)
        self._heartbeat.add(connection)
        self.metrics.opened.inc()
        self._roster.opened(connection, self._counted)
        return connection

    def _counted(self, connection: Connection, error: Exception | None) -> None:
        if error is not None:
            # The roster says it again, and so its end.
            connection.close(CloseReason.TRY_LATER)
        if self.draining:
            connection.close(CloseReason.GOING_AWAY)
        connection.start()

    def _ended(self, connection: Connection) -> None:
        self._registry.remove(connection)
        self._sampler.note_end(connection)
        self._heartbeat.remove(connection)
        self.gate.leave(connection.visitor)
        log_end(connection)
        # By reason: a browser may close with thousands of codes of its own.
        reason = connection.reason or CloseReason.LOST
        self.metrics.closed.labels(str(reason.code)).inc()
        self._roster.closed(connection)
        self._drain.note_end()

    def _leave_for_grace(self, pipe: Any) -> None:
        self._ledger.renew(pipe, self.options.offline_grace)

    def _restore(self) -> None:
        """Writes again what Redis does not know any more of this node's sockets."""
        restored = self._roster.check()
        if restored:
            self.metrics.restored.inc(restored)
            logger.warning("= counts of %d clients were written again", restored)
