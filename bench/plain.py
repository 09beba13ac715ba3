"""The yardstick `plain`: the relay as one would write it in an afternoon.

gevent-websocket, redis-py and a dictionary: a HKEYS for each message to a room, a
`send` for each socket. It speaks FreeIM's v2 wire as far as the benchmark needs.

    FREEIM_REDIS=redis://127.0.0.1:6379/0 FREEIM_SERVER=127.0.0.1:6001 \
        python -m bench.plain
"""

from __future__ import annotations

import gevent.monkey


gevent.monkey.patch_all()

import contextlib
import json
import logging
import os
from collections import defaultdict
from typing import Any
from urllib.parse import parse_qs

import gevent
import redis
from gevent.pywsgi import WSGIServer
from geventwebsocket.exceptions import WebSocketError
from geventwebsocket.handler import WebSocketHandler

from freeim.dialects import V2
from freeim.keys import Keys


KEYS = Keys(V2)
CHAN_MESSAGE = "__FreeIM__(ChanMessage)"


class PlainRelay:
    """One process that holds the sockets of one server."""

    def __init__(self, url: str, server: str) -> None:
        self.server = server
        pool = redis.BlockingConnectionPool.from_url(url, decode_responses=True)
        self.redis = redis.Redis(connection_pool=pool)
        self.sockets: dict[int, set[Any]] = defaultdict(set)

    def __call__(self, environ: dict[str, Any], start_response: object) -> list[bytes]:
        """Serves one socket."""
        socket = environ["wsgi.websocket"]
        token = parse_qs(environ["QUERY_STRING"]).get("token", [""])[0]
        payload = self.redis.get(KEYS.token_key(token))
        if payload is None:
            socket.close()
            return []
        client_id = json.loads(payload)["Item1"]
        self.sockets[client_id].add(socket)
        self.count(client_id, 1, KEYS.online_channel, payload)
        try:
            while socket.receive() is not None:
                pass
        except WebSocketError:
            # The browser went without a word, which is no fault.
            pass
        finally:
            self.sockets[client_id].discard(socket)
            self.count(client_id, -1, KEYS.offline_channel, payload)
        return []

    def count(self, client_id: int, change: int, channel: str, event: str) -> None:
        """Says that a socket of a client opened or closed."""
        pipe = self.redis.pipeline(transaction=False)
        pipe.hincrby(KEYS.online_key, str(client_id), change)
        pipe.publish(channel, event)
        pipe.execute()

    def listen(self) -> None:
        """Delivers what is published to the server."""
        pubsub = self.redis.pubsub(ignore_subscribe_messages=True)
        pubsub.subscribe(KEYS.server_channel(self.server))
        for message in pubsub.listen():
            self.deliver(message["data"])

    def deliver(self, text: str) -> None:
        """Sends one message to everyone whom it is for."""
        if text.startswith(CHAN_MESSAGE):
            body = json.loads(text[len(CHAN_MESSAGE) :])
            chan = body["Item2"]
            names = self.redis.hkeys(KEYS.chan_key(chan)) if chan else self.sockets
            receivers = [int(name) for name in names]
        else:
            body = json.loads(text)
            receivers = body["Item2"]
        for client_id in receivers:
            for socket in list(self.sockets.get(client_id, ())):
                with contextlib.suppress(WebSocketError, OSError):
                    socket.send(body["Item3"])


def main() -> None:
    """Serves until it is killed."""
    # Else a line for each socket goes to stderr.
    logging.disable(logging.INFO)
    relay = PlainRelay(os.environ["FREEIM_REDIS"], os.environ["FREEIM_SERVER"])
    gevent.spawn(relay.listen)
    host, port = relay.server.rsplit(":", 1)
    WSGIServer(
        (host, int(port)), relay, handler_class=WebSocketHandler, log=None, backlog=4096
    ).serve_forever()


if __name__ == "__main__":
    main()
