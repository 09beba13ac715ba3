"""The event bus: tells the application who came online and who went offline.

Every process that subscribes hears every event, as with the original. Events are
pub/sub: what happens while Redis is away is not told later.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import threading
from typing import Any, Callable, NamedTuple

from redis.exceptions import RedisError

from .client import ImClient
from .dialects import ClientId
from .errors import ForkedError, WireError
from .redis_client import subscribing
from .wire import PresenceEvent


__all__ = ["ClientEvent", "EventBusSubscription", "start_event_bus"]

logger = logging.getLogger(__name__)

#: Seconds before the first and between the last attempts to reach Redis again.
FIRST_RETRY, LAST_RETRY = 0.1, 5.0

#: Seconds that `stop` waits for a handler to finish.
STOP_TIMEOUT = 5.0


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


class EventBusSubscription:
    """A thread that calls handlers one event at a time, in order; ended by `stop`."""

    def __init__(
        self, client: ImClient, online: Handler, offline: Handler, every_socket: bool
    ) -> None:
        self._client = client
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
        self._pid = 0
        self._stopping = threading.Event()
        self._subscribed = threading.Event()
        self._pubsub: Any = None
        self._thread = threading.Thread(
            target=self._run, name="freeim-event-bus", daemon=True
        )

    def start(self) -> None:
        """Starts the thread, and waits until Redis took the subscription or failed."""
        self._pid = os.getpid()
        self._thread.start()
        self._subscribed.wait(
            self._client.options.connect_timeout + self._client.options.timeout
        )

    def stop(self) -> None:
        """Ends the subscription and waits for the handler that is at work.

        Raises:
            ForkedError: in a child of the process that started it.
        """
        self._check_process()
        self._stopping.set()
        self._disconnect()
        if threading.current_thread() is not self._thread:
            self._thread.join(STOP_TIMEOUT)

    @property
    def alive(self) -> bool:
        """Whether events are still waited for.

        Raises:
            ForkedError: in a child of the process that started it.
        """
        self._check_process()
        return self._thread.is_alive()

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise ForkedError(self._pid, os.getpid())

    def _run(self) -> None:
        pause = FIRST_RETRY
        while not self._stopping.is_set():
            try:
                self._listen()
            except (RedisError, OSError) as error:
                if self._stopping.is_set():
                    return
                # The subscription was up: begin with short pauses again.
                if self._subscribed.is_set():
                    pause = FIRST_RETRY
                logger.warning(
                    "event bus lost Redis, events are missed until it is back: %s",
                    error,
                )
            self._subscribed.clear()
            self._stopping.wait(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, LAST_RETRY)

    def _listen(self) -> None:
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
                    self._subscribed.set()

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
        except Exception:
            # The application's handler; the next event must still come.
            logger.exception("event handler failed for client %s", event.client_id)

    def _wanted(self, channel: bytes, event: PresenceEvent) -> bool:
        # C# relays do not say how many sockets are left: their events always pass.
        if self._every_socket or event.sockets is None:
            return True
        return event.sockets == self._edges[channel]

    def _disconnect(self) -> None:
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
