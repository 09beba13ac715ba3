"""The event bus: tells the application who came online and who went offline.

Every process that subscribes hears every event, as with the original. Events are
pub/sub: what happens while Redis is away is not told later.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any, Callable, NamedTuple

from redis.exceptions import RedisError

from .client import ImClient
from .dialects import ClientId
from .errors import WireError
from .redis_client import subscribing
from .subscription import Subscription
from .wire import PresenceEvent


__all__ = ["ClientEvent", "EventBusSubscription", "Handler", "start_event_bus"]

logger = logging.getLogger(__name__)


class ClientEvent(NamedTuple):
    """A client came online or went offline.

    Attributes:
        client_meta_data: what `prev_connect_server` was given for that socket.
        sockets: the client's sockets after the change; None when a C# relay says it.
    """

    client_id: ClientId
    client_meta_data: str | None
    sockets: int | None


Handler = Callable[[ClientEvent], Any]


class EventBusSubscription(Subscription):
    """A thread that calls handlers one event at a time, in order; ended by `stop`."""

    started_by = "event_bus"
    while_away = "events are missed until it is back"

    def __init__(
        self, client: ImClient, online: Handler, offline: Handler, every_socket: bool
    ) -> None:
        super().__init__(client)
        self._every_socket = every_socket
        wire = client.wire
        self._handlers: dict[bytes, Handler] = {
            wire.online_channel.encode(): online,
            wire.offline_channel.encode(): offline,
        }
        #: The client's sockets after its first socket opened, after its last closed.
        self._edges = {
            wire.online_channel.encode(): 1,
            wire.offline_channel.encode(): 0,
        }
        self._pubsub: Any = None

    def _work(self) -> None:
        redis: Any = subscribing(self._client.redis)
        pubsub = redis.pubsub()
        self._pubsub = pubsub
        with contextlib.closing(pubsub):
            pubsub.subscribe(*(name.decode() for name in self._handlers))
            while not self._stopping.is_set():
                # Blocks without a limit; `stop` ends it by disconnecting.
                kind, channel, data = pubsub.parse_response(block=True)
                if kind == b"message":
                    self._handle(channel, data)
                elif kind == b"subscribe":
                    self._ready.set()

    def _handle(self, channel: bytes, data: bytes) -> None:
        try:
            event = self._client.wire.decode_event(data)
        except WireError as error:
            logger.warning("event skipped: %s", error)
            return
        if not self._wanted(channel, event):
            return
        try:
            self._handlers[channel](ClientEvent(*event))
        except BaseException:
            # The application's handler; the next event must still come. SystemExit and
            # gevent.Timeout, which are no Exception, would end the thread in silence.
            logger.exception("event handler failed for client %s", event.client_id)

    def _wanted(self, channel: bytes, event: PresenceEvent) -> bool:
        # C# relays do not say how many sockets are left: their events always pass.
        if self._every_socket or event.sockets is None:
            return True
        return event.sockets == self._edges[channel]

    def _interrupt(self) -> None:
        connection = getattr(self._pubsub, "connection", None)
        if connection is not None:
            with contextlib.suppress(OSError, RedisError):
                connection.disconnect()


def start_event_bus(
    client: ImClient, online: Handler, offline: Handler, every_socket: bool = False
) -> EventBusSubscription:
    """Calls `online` at a client's first socket and `offline` at its last.

    The handlers run in a thread of this process, one event at a time. An exception in
    one is logged, and the next event still comes. When Redis goes away the thread tries
    for it until it is back. Start it after a fork: threads do not survive one.

    Args:
        every_socket: call the handlers for each socket, as the original does.
    """
    subscription = EventBusSubscription(client, online, offline, every_socket)
    subscription.start()
    return subscription
