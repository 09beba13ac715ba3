"""Opens Redis with bounds on time, and says in one line why it cannot be used."""

from __future__ import annotations

from typing import Any

from redis import BlockingConnectionPool, ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.retry import Retry

from .errors import ConfigurationError


__all__ = ["check_redis", "open_redis", "subscribing"]

#: What of a client's settings says where its Redis is and who asks.
DESTINATION = {
    "client_name",
    "credential_provider",
    "db",
    "host",
    "password",
    "path",
    "port",
    "socket_connect_timeout",
    "username",
}

#: redis-py sends a command again when its answer is late; we never do.
ONCE = Retry(NoBackoff(), 0)


def open_redis(
    url: str, *, connect_timeout: float, timeout: float, pool: int = 50
) -> Redis:
    """Returns a client whose calls run once and end within their deadline.

    redis-py sends a command again when its answer is late, up to ten times: a message
    would be delivered eleven times. Here nothing is sent twice. Connecting is left to
    the first call.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        connect_timeout: seconds for connecting.
        timeout: seconds for an answer, and for a free connection of the pool.
        pool: connections at the most.

    Raises:
        ConfigurationError: if the URL cannot be read.
    """
    try:
        connections = BlockingConnectionPool.from_url(
            url,
            max_connections=pool,
            timeout=timeout,
            socket_connect_timeout=connect_timeout,
            socket_timeout=timeout,
            retry=ONCE,
            # RESP3 wraps messages in pushes, each logged at DEBUG, and asks the server
            # for more at every connect, which Redis 5 does not know.
            protocol=2,
        )
    except ValueError as error:
        # Not the error's own text: it may quote a part of the password.
        remedy = "give a URL such as redis://:PASSWORD@127.0.0.1:6379/0, its password "
        remedy += "percent-encoded"
        raise ConfigurationError("redis", url, remedy) from error
    return Redis(connection_pool=connections)


def subscribing(redis: Any) -> Redis:
    """Returns a client to the same Redis that may wait for ever and answers bytes.

    A subscriber has nothing to read for hours; with a time limit on reading, redis-py
    drops the connection, and with it the message, when the rest of one is late. Nor
    may redis-py reconnect by itself: it would hide that messages were missed.
    """
    pool = redis.connection_pool
    kwargs = {
        name: value
        for name, value in pool.connection_kwargs.items()
        if name in DESTINATION or name.startswith("ssl_")
    }
    if "path" not in kwargs:
        # A Unix socket has no keep-alive.
        kwargs["socket_keepalive"] = True
    return Redis(
        connection_pool=ConnectionPool(
            connection_class=pool.connection_class,
            # Said, as redis-py 8 has a default of 5 seconds.
            socket_timeout=None,
            protocol=2,
            retry=ONCE,
            **kwargs,
        )
    )


def check_redis(redis: Any, url: str) -> None:
    """Asks Redis for a sign of life.

    Raises:
        ConfigurationError: if it gives none, with the remedy.
    """
    try:
        redis.ping()
    except AuthenticationError as error:
        remedy = (
            "Redis wants another password: redis://:PASSWORD@host:port/0 "
            f"or redis://USER:PASSWORD@host:port/0 ({error})"
        )
        raise ConfigurationError("redis", url, remedy) from error
    except ResponseError as error:
        remedy = f"Redis refused the user or database: check both ({error})"
        raise ConfigurationError("redis", url, remedy) from error
    except (RedisError, OSError) as error:
        remedy = f"start redis-server there, or give its address ({error})"
        raise ConfigurationError("redis", url, remedy) from error
