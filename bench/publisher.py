"""The application's side: tokens, rooms and messages, written by the project's wire."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager

import redis

from bench.load import Target
from freeim import ImClient
from freeim.commands import ChanMessage, DirectMessage
from freeim.wire import Token


#: Seconds that a token lasts, as all are made before the first is used.
TOKEN_TTL = 600
#: Commands in one pipeline.
CHUNK = 5000
#: Stands for the time in a message until it is published.
NOT_YET = "0" * 19


class Publisher:
    """Everything that is written to Redis; client ids are 1, 2, 3, …"""

    def __init__(self, port: int, servers: Sequence[str], size: int) -> None:
        self._address = ("127.0.0.1", port)
        self.url = f"redis://127.0.0.1:{port}/0"
        self.client = ImClient(redis=self.url, servers=servers, timeout=30)
        self.redis: redis.Redis = self.client.redis
        self._wire = self.client.wire
        self._channels = [self._wire.server_channel(server) for server in servers]
        self._pad = "x" * max(0, size - len(_content(NOT_YET, "")))

    # Clients

    def targets(self, clients: int) -> list[Target]:
        """Makes a token for each client; returns where their sockets go."""
        servers = self.client.options.servers
        found = []
        for ids in _chunks(range(1, clients + 1)):
            pipe = self.redis.pipeline(transaction=False)
            for client_id in ids:
                token = secrets.token_hex(64)
                value = self._wire.encode_token(Token(client_id, "127.0.0.1"))
                pipe.set(self._wire.token_key(token), value, ex=TOKEN_TTL)
                server = self._wire.dialect.select_server(client_id, servers)
                port = int(server.rpartition(":")[2])
                path = f"{self._wire.path_match}?token={token}"
                found.append(Target(port, path))
            pipe.execute()
        return found

    def fill(self, room: str, ids: Iterable[int]) -> None:
        """Makes clients members of a room."""
        members = list(ids)
        for some in _chunks(members):
            pipe = self.redis.pipeline(transaction=False)
            pipe.hset(self._wire.chan_key(room), mapping=dict.fromkeys(some, 0))
            for client_id in some:
                pipe.hset(self._wire.client_key(client_id), room, 0)
            pipe.hset(self._wire.list_chan_key, room, len(members))
            pipe.execute()

    def online(self) -> int:
        """Returns how many clients Redis counts as online."""
        return self.redis.hlen(self._wire.online_key)

    def subscribed(self, processes: int) -> bool:
        """Tells whether so many processes hear each node's messages."""
        answers = self.redis.pubsub_numsub(*self._channels)
        return all(count >= processes for _, count in answers)

    # Messages

    def say(self, room: str | None) -> None:
        """Publishes a message to a room, or to everyone, on every node."""
        payload = self._chan_payload(room, _now())
        for channel in self._channels:
            self.redis.publish(channel, payload)

    def tell(self, client_id: int) -> None:
        """Publishes a message to one client."""
        payload = self._direct_payload(client_id, _now())
        self.redis.publish(self._channel_of(client_id), payload)

    def flood_rooms(self, rooms: Iterable[str]) -> None:
        """Publishes messages to rooms as fast as Redis takes them."""
        self._flood(
            (channel, self._chan_payload(room, NOT_YET))
            for room in rooms
            for channel in self._channels
        )

    def flood_clients(self, ids: Iterable[int]) -> None:
        """Publishes messages to one client each as fast as Redis takes them."""
        self._flood(
            (self._channel_of(one), self._direct_payload(one, NOT_YET)) for one in ids
        )

    @contextmanager
    def churning(self, room: str, stranger: int, rate: int) -> Iterator[None]:
        """Has clients without a socket join and leave a room, `rate` times a second."""
        done = threading.Event()

        def churn() -> None:
            begin = time.monotonic()
            for number in range(1 << 30):
                client_id = stranger + number % 100
                self.client.join_chan(client_id, room)
                self.client.leave_chan(client_id, room)
                if done.wait(max(0.0, begin + number / rate - time.monotonic())):
                    return

        thread = threading.Thread(target=churn, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _channel_of(self, client_id: int) -> str:
        servers = self.client.options.servers
        server = self._wire.dialect.select_server(client_id, servers)
        return self._wire.server_channel(server)

    def _chan_payload(self, room: str | None, now: str) -> str:
        return self._wire.encode_chan(ChanMessage(0, room, _content(now, self._pad)))

    def _direct_payload(self, client_id: int, now: str) -> str:
        content = _content(now, self._pad)
        return self._wire.encode_direct(DirectMessage(0, [client_id], content, False))

    def _flood(self, messages: Iterable[tuple[str, str]]) -> None:
        # Written beforehand: redis-py would be what is measured.
        commands = [_publish_command(*message) for message in messages]
        data = b"".join(commands).replace(NOT_YET.encode(), _now().encode())
        with closing(socket.create_connection(self._address)) as link:
            # Redis keeps the answers, a few bytes each, until we read them.
            link.sendall(data)
            answers = 0
            while answers < len(commands):
                answers += link.recv(1 << 16).count(b"\n")


def _now() -> str:
    return f"{time.monotonic_ns():019d}"


def _content(now: str, pad: str) -> str:
    """Returns a message as `load.c` reads it."""
    return f'{{"at":"{now}","pad":"{pad}"}}'


def _publish_command(channel: str, payload: str) -> bytes:
    parts = (b"PUBLISH", channel.encode(), payload.encode())
    texts = (b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"*%d\r\n%s" % (len(parts), b"".join(texts))


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))
