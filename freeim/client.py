"""`ImClient`: everything that an application may ask of the system.

It only talks to Redis, synchronously, and works the same in threads, in prefork workers
and in monkey-patched processes. Every method raises redis-py's own exceptions
(`redis.exceptions.RedisError`) when Redis cannot be reached within the deadlines of
`ImClientOptions`, and sends nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import (
    Any,
    Callable,
    Iterable,
    Sequence,
    overload,
)
from uuid import UUID

from .atomic import HELD
from .calls import Call
from .chans import Chans
from .commands import ChanMessage, DirectMessage, ForceOffline
from .content import check_chan, encode_content
from .dialects import ClientId
from .errors import InvalidClientId
from .options import ImClientOptions
from .public_url import address_of
from .redis_client import open_redis
from .scripts import load_script
from .tokens import SUBPROTOCOL, Address, store_token, without_token


__all__ = ["ImClient", "ImSendEvent"]


@dataclass(frozen=True)
class ImSendEvent:
    """What is about to be published to one relay (C#: `ImSendEventArgs`)."""

    server: str
    sender_client_id: ClientId
    receive_client_ids: list[ClientId] = field(default_factory=list)
    chan: str | None = None
    message: Any = None
    receipt: bool = False


class ImClient(Chans):
    """One FreeIM system, seen from the business side.

    Use it instead of `ImHelper` when a process serves several systems.
    """

    def __init__(self, options: ImClientOptions | None = None, **keywords: Any) -> None:
        """Takes options, or the fields of `ImClientOptions` as keywords.

        Nothing is connected before the first call.

        Raises:
            ConfigurationError: if an option cannot be used.
        """
        if options is None:
            options = ImClientOptions(**keywords)
        elif keywords:
            raise TypeError("give ImClientOptions or keywords, not both")
        self.options = options
        redis = options.redis
        if isinstance(redis, str):
            redis = open_redis(
                redis,
                connect_timeout=options.connect_timeout,
                timeout=options.timeout,
                key_prefix=options.key_prefix,
            )
        super().__init__(redis, options.wire)
        self._revoke = load_script("revoke_tokens")

    def __repr__(self) -> str:
        servers = ",".join(self.options.servers)
        return f"<ImClient {self.wire.prefix} servers={servers}>"

    # Connecting

    def prev_connect_server(
        self, client_id: ClientId, client_meta_data: str | None = ""
    ) -> str:
        """Returns the URL for the client's `new WebSocket(url)`.

        It holds a token for one socket, good for `token_ttl` seconds. Check first who
        asks: whoever has the URL is this client.

        Args:
            client_meta_data: comes back in the client's events, such as its address.

        Raises:
            InvalidClientId: if the id is none.
            InvalidMetaData: if the meta data is no text.
        """
        token = self._token(client_id, client_meta_data)
        return self._url(client_id, token)

    def prev_connect(
        self, client_id: ClientId, client_meta_data: str | None = ""
    ) -> Address:
        """Returns the same as a URL without the token, and the protocols that hold it.

        So the token is in no log that shows URLs, a proxy's or a browser's. Nothing
        else differs from `prev_connect_server`.

        Raises:
            InvalidClientId: if the id is none.
            InvalidMetaData: if the meta data is no text.
        """
        token = self._token(client_id, client_meta_data)
        url = without_token(self._url(client_id, token))
        return Address(url, (SUBPROTOCOL, token))

    # Messages

    def send_message(
        self,
        sender_client_id: ClientId,
        receive_client_ids: ClientId | Iterable[ClientId],
        message: Any,
        receipt: bool = False,
    ) -> int:
        """Sends a message to clients, all nodes in one round trip.

        Args:
            sender_client_id: 0 (v2) or the zero GUID (v1) for a system message. A
                sender among the receivers gets it only if he has several sockets.
            receive_client_ids: one id or several; each gets it once.
            message: anything that JSON can express.
            receipt: have each receiver's relay tell the sender what became of it.

        Returns:
            How many relay processes took it. 0: nobody was listening, it is lost.
            -1 in `atomic`: it has not left yet.

        Raises:
            InvalidClientId: if any id is none; nothing was sent.
            InvalidMessage: if JSON cannot express the message; nothing was sent.
        """
        sender = self._dialect.check_sender(sender_client_id)
        content = encode_content(message, self.options.json_dumps)
        groups: dict[str, list[ClientId]] = {}
        for receiver in self._distinct(receive_client_ids):
            groups.setdefault(self._server_of(receiver), []).append(receiver)
        receipt = bool(receipt)
        return self._send(
            (
                ImSendEvent(server, sender, ids, None, message, receipt),
                self.wire.encode_direct(DirectMessage(sender, ids, content, receipt)),
            )
            for server, ids in groups.items()
        )

    def send_chan_message(
        self, sender_client_id: ClientId, chan: str, message: Any
    ) -> int:
        """Sends a message to the members of a channel who are online.

        Returns:
            How many relay processes took it.

        Raises:
            InvalidChan: if the channel is empty or None, which C# sends to everyone.
            InvalidClientId: if the sender is no id; nothing was sent.
            InvalidMessage: if JSON cannot express the message; nothing was sent.
        """
        sender = self._dialect.check_sender(sender_client_id)
        return self._send_to_all(sender, check_chan(chan), message)

    def send_broadcast_message(self, message: Any) -> int:
        """Sends a message to every client; see `send_chan_message`."""
        return self._send_to_all(self._dialect.nobody, None, message)

    # Presence

    def get_client_list_by_online(self) -> list[ClientId]:
        """Returns every client that has a socket."""
        return self.wire.decode_ids(self.redis.hkeys(self.wire.online_key))

    @overload
    def has_online(self, client_id: ClientId) -> bool: ...

    @overload
    def has_online(self, client_id: Iterable[ClientId]) -> list[bool]: ...

    def has_online(self, client_id: ClientId | Iterable[ClientId]) -> bool | list[bool]:
        """Tells whether a client has a socket, or of several clients which have.

        Raises:
            InvalidClientId: if an id is none.
        """
        if _is_one(client_id):
            field_name = str(self._dialect.check(client_id))
            return _is_positive(self.redis.hget(self.wire.online_key, field_name))
        names = [str(self._dialect.check(one)) for one in _several(client_id)]
        if not names:
            return []
        counts = self.redis.hmget(self.wire.online_key, names)
        return [_is_positive(count) for count in counts]

    def force_offline(self, client_id: ClientId) -> int:
        """Closes the client's sockets and revokes its unused tokens.

        Returns:
            How many relay processes took the order.

        Raises:
            InvalidClientId: if the id is none.
        """
        client_id = self._dialect.check(client_id)
        channel = self.wire.server_channel(self._server_of(client_id))
        revoke = partial(
            self._revoke,
            keys=[self.wire.tokens_key(client_id)],
            args=[self.wire.token_key_prefix],
        )
        kick = _publish(channel, self.wire.encode_kick(ForceOffline(client_id)))
        return int(self._call(Call([revoke, kick], lambda answers: answers[-1], HELD)))

    # Shared steps

    def _token(self, client_id: ClientId, meta: str | None) -> str:
        client_id = self._dialect.check(client_id)
        ttl = self.options.token_ttl
        return store_token(self.redis, self.wire, client_id, meta, ttl)

    def _url(self, client_id: ClientId, token: str) -> str:
        options = self.options
        server = self._server_of(self._dialect.check(client_id))
        return address_of(options.public_url, server, options.path_match, token)

    def _server_of(self, client_id: ClientId) -> str:
        servers: Sequence[str] = self.options.servers
        return self._dialect.select_server(client_id, servers)

    def _distinct(self, given: ClientId | Iterable[ClientId]) -> Iterable[ClientId]:
        ids = [given] if _is_one(given) else _several(given)
        return dict.fromkeys(self._dialect.check(one) for one in ids)

    def _send_to_all(self, sender: ClientId, chan: str | None, message: Any) -> int:
        content = encode_content(message, self.options.json_dumps)
        payload = self.wire.encode_chan(ChanMessage(sender, chan, content))
        return self._send(
            (ImSendEvent(server, sender, [], chan, message), payload)
            for server in self.options.servers
        )

    def _send(self, sends: Iterable[tuple[ImSendEvent, str]]) -> int:
        events, steps = [], []
        for event, payload in sends:
            events.append(event)
            steps.append(_publish(self.wire.server_channel(event.server), payload))
        return int(self._call(Call(steps, sum, HELD, events)))


def _publish(channel: str, payload: str) -> Callable[[Any], Any]:
    return lambda pipe: pipe.publish(channel, payload)


def _is_one(value: Any) -> bool:
    return isinstance(value, (int, str, bytes, UUID))


def _several(value: Any) -> Iterable[Any]:
    try:
        return list(value)
    except TypeError as error:
        raise InvalidClientId(value, "a client id, or several") from error


def _is_positive(count: bytes | str | None) -> bool:
    return count is not None and int(count) > 0
