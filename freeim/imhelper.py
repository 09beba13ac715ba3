"""`ImHelper`: the static facade that an old view function can call.

One line a method; `ImClient` holds the meaning, the arguments and the errors of each.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, overload

from .atomic import Atomic
from .client import ImClient
from .dialects import ClientId
from .errors import NotInitializedError
from .event_group import EventGroupSubscription, start_event_group
from .events import ClientEvent, EventBusSubscription, start_event_bus
from .options import ImClientOptions
from .tokens import Address


__all__ = ["ImHelper"]


class _Facade(type):
    _instance: ImClient | None = None

    @property
    def instance(cls) -> ImClient:
        """The client that the last `initialization` made.

        Raises:
            NotInitializedError: if there was none.
        """
        if cls._instance is None:
            raise NotInitializedError()
        return cls._instance


class ImHelper(metaclass=_Facade):
    """FreeIM's static helper (C#: `ImHelper`), for one system a process."""

    @classmethod
    def initialization(
        cls, options: ImClientOptions | None = None, **keywords: Any
    ) -> ImClient:
        """Sets the system up, from options or the fields of `ImClientOptions`.

        Nothing is connected yet, so it may stand at the top of a module. Calling it
        again replaces the client.

        Raises:
            ConfigurationError: if an option cannot be used.
        """
        cls._instance = ImClient(options, **keywords)
        return cls._instance

    @classmethod
    def event_bus(
        cls,
        online: Callable[[ClientEvent], Any],
        offline: Callable[[ClientEvent], Any],
        every_socket: bool = False,
    ) -> EventBusSubscription:
        """Starts to call the handlers; see `events.start_event_bus`."""
        return start_event_bus(cls.instance, online, offline, every_socket)

    @classmethod
    def event_group(
        cls,
        name: str,
        online: Callable[[ClientEvent], Any],
        offline: Callable[[ClientEvent], Any],
        retries: int = 3,
        lease_ttl: float = 10.0,
    ) -> EventGroupSubscription:
        """Has one process of a group call them; see `event_group.start_event_group`."""
        return start_event_group(
            cls.instance, name, online, offline, retries, lease_ttl
        )

    @classmethod
    def prev_connect_server(
        cls, client_id: ClientId, client_meta_data: str | None = ""
    ) -> str:
        """Returns the URL for the client's `new WebSocket(url)`."""
        return cls.instance.prev_connect_server(client_id, client_meta_data)

    @classmethod
    def prev_connect(
        cls, client_id: ClientId, client_meta_data: str | None = ""
    ) -> Address:
        """Returns URL and protocols for `new WebSocket(url, protocols)`."""
        return cls.instance.prev_connect(client_id, client_meta_data)

    @classmethod
    def send_message(
        cls,
        sender_client_id: ClientId,
        receive_client_ids: ClientId | Iterable[ClientId],
        message: Any,
        receipt: bool = False,
    ) -> int:
        """Sends a message to clients; returns how many relay processes took it."""
        return cls.instance.send_message(
            sender_client_id, receive_client_ids, message, receipt
        )

    @classmethod
    def send_chan_message(
        cls, sender_client_id: ClientId, chan: str, message: Any
    ) -> int:
        """Sends a message to the members of a channel who are online."""
        return cls.instance.send_chan_message(sender_client_id, chan, message)

    @classmethod
    def send_broadcast_message(cls, message: Any) -> int:
        """Sends a message to every client."""
        return cls.instance.send_broadcast_message(message)

    @classmethod
    def atomic(cls) -> Atomic:
        """Returns a block: `with ImHelper.atomic():` has its calls leave together."""
        return cls.instance.atomic()

    @classmethod
    def get_client_list_by_online(cls) -> list[ClientId]:
        """Returns every client that has a socket."""
        return cls.instance.get_client_list_by_online()

    @overload
    @classmethod
    def has_online(cls, client_id: ClientId) -> bool: ...

    @overload
    @classmethod
    def has_online(cls, client_id: Iterable[ClientId]) -> list[bool]: ...

    @classmethod
    def has_online(cls, client_id: ClientId | Iterable[ClientId]) -> bool | list[bool]:
        """Tells whether a client has a socket, or of several clients which have."""
        return cls.instance.has_online(client_id)

    @classmethod
    def force_offline(cls, client_id: ClientId) -> int:
        """Closes the client's sockets and revokes its unused tokens."""
        return cls.instance.force_offline(client_id)

    @classmethod
    def join_chan(cls, client_id: ClientId, *chans: str) -> None:
        """Makes a client a member of channels until its last socket closes."""
        cls.instance.join_chan(client_id, *chans)

    @classmethod
    def leave_chan(cls, client_id: ClientId, *chans: str) -> None:
        """Takes a client out of channels."""
        cls.instance.leave_chan(client_id, *chans)

    @classmethod
    def remove_from_chan(cls, chan: str, *client_ids: ClientId) -> None:
        """Takes clients out of a channel."""
        cls.instance.remove_from_chan(chan, *client_ids)

    @classmethod
    def get_chan_client_list(cls, chan: str) -> list[ClientId]:
        """Returns the members of a channel."""
        return cls.instance.get_chan_client_list(chan)

    @classmethod
    def clear_chan_client(cls, chan: str) -> int:
        """Takes the members out of a channel that are offline."""
        return cls.instance.clear_chan_client(chan)

    @classmethod
    def get_chan_list(cls) -> list[tuple[str, int]]:
        """Returns every channel with its number of members."""
        return cls.instance.get_chan_list()

    @classmethod
    def get_chan_list_by_client_id(cls, client_id: ClientId) -> list[str]:
        """Returns the channels that a client is a member of."""
        return cls.instance.get_chan_list_by_client_id(client_id)

    @classmethod
    def get_chan_online(cls, chan: str) -> int:
        """Returns the number of members of a channel."""
        return cls.instance.get_chan_online(chan)
