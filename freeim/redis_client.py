"""Opens Redis with bounds on time, and says in one line why it cannot be used."""

from __future__ import annotations

from typing import Any, Callable

from redis import BlockingConnectionPool, ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, parse_url
from redis.crc import key_slot
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.retry import Retry

from .errors import ConfigurationError
from .redis_connection import PlacedConnection, PlacedSSLConnection
from .redis_deadline import BOUNDED
from .redis_place import (
    Place,
    PlaceNotFound,
    Question,
    cluster_question,
    sentinel_question,
)
from .redis_url import RedisUrl, read_url


__all__ = ["check_redis", "connected", "open_redis", "subscribing"]

#: What of a client's settings says who asks.
LOGIN = {"client_name", "credential_provider", "password", "username"}

#: What says where its Redis is and who asks. The last two are those of a place that
#: moves: ours, and redis-py's own of `Sentinel.master_for`.
DESTINATION = LOGIN | {
    *("db", "host", "path", "port", "socket_connect_timeout"),
    *("place", "connection_pool"),
}

#: redis-py sends a command again when its answer is late; we never do.
ONCE = Retry(NoBackoff(), 0)

#: What all connections have in common. RESP3 wraps messages in pushes, each logged at
#: DEBUG, and asks the server for more at every connect, which Redis 5 does not know.
COMMON: dict[str, Any] = {"protocol": 2, "retry": ONCE}

#: What is behind a URL → how to ask where the keys with a prefix are.
QUESTIONS: dict[str, Callable[[RedisUrl, str], Question]] = {
    "sentinel": lambda url, _: sentinel_question(url.service),
    "cluster": lambda _, key_prefix: cluster_question(key_slot(key_prefix.encode())),
}


def open_redis(
    url: str,
    *,
    connect_timeout: float,
    timeout: float,
    pool: int = 50,
    key_prefix: str = "",
) -> Redis:
    """Returns a client whose calls run once and end within their deadline.

    redis-py sends a command again when its answer is late, up to ten times: a message
    would be delivered eleven times. Here nothing is sent twice. Connecting is left to
    the first call.

    Args:
        url: what `redis_url.read_url` takes.
        connect_timeout: seconds for connecting; where the address has to be asked for,
            for each step of that, too.
        timeout: seconds for an answer, and for a free connection of the pool.
        pool: connections at the most.
        key_prefix: what all keys begin with. In a cluster it says where they are.

    Raises:
        ConfigurationError: if the URL cannot be read.
    """
    try:
        where = read_url(url)
    except ValueError as error:
        raise ConfigurationError("redis", url, str(error)) from error
    try:
        settings: dict[str, Any] = parse_url(where.server)  # type: ignore[no-untyped-call]
    except ValueError as error:
        # Not the error's own text: it may quote a part of the password.
        remedy = "give a URL such as redis://:PASSWORD@127.0.0.1:6379/0, its password "
        remedy += "percent-encoded"
        raise ConfigurationError("redis", url, remedy) from error
    if where.witnesses:
        question = QUESTIONS[where.kind](where, key_prefix)
        settings = _placed(where, question, settings, connect_timeout)
    else:
        plain = settings.get("connection_class", Connection)
        settings["connection_class"] = BOUNDED[plain]
    settings = {
        "max_connections": pool,
        "timeout": timeout,
        "socket_connect_timeout": connect_timeout,
        "socket_timeout": timeout,
        **COMMON,
        # The query of the URL wins.
        **settings,
    }
    connections: Any = BlockingConnectionPool
    return Redis(connection_pool=connections(**settings))


def _placed(
    where: RedisUrl, question: Question, settings: dict[str, Any], timeout: float
) -> dict[str, Any]:
    """Returns settings of connections that ask for the address.

    Not redis-py's own: the pool of its `Sentinel` has no bound that waits, and the
    list of sentinels loses one when two threads ask at a time; its `RedisCluster`
    connects when it is made, sends commands again, and has no connection to subscribe
    with that would keep quiet for hours.
    """
    secure = settings.pop("connection_class", None) is SSLConnection
    transport = _some(settings, set())
    if secure:
        transport["connection_class"] = SSLConnection
    server = {**COMMON, **transport, **_some(settings, LOGIN)}
    password = settings.pop("sentinel_password", None)
    asking = server
    if where.kind == "sentinel":
        asking = {**COMMON, **transport, "password": password}
    place = Place(question, where.witnesses, asking, server, timeout)
    connection_class = PlacedSSLConnection if secure else PlacedConnection
    return {**settings, "connection_class": connection_class, "place": place}


def _some(settings: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Returns the settings of these names, and those of TLS."""
    return {
        name: value
        for name, value in settings.items()
        if name in names or name.startswith("ssl_")
    }


def subscribing(redis: Any, timeout: float | None = None) -> Redis:
    """Returns a client to the same Redis that may wait for ever and answers bytes.

    A subscriber has nothing to read for hours; with a time limit on reading, redis-py
    drops the connection, and with it the message, when the rest of one is late. Nor
    may redis-py reconnect by itself: it would hide that messages were missed.

    Args:
        timeout: seconds for an answer, for who never waits longer.
    """
    pool = redis.connection_pool
    kwargs = _some(pool.connection_kwargs, DESTINATION)
    if "path" not in kwargs:
        # A Unix socket has no keep-alive.
        kwargs["socket_keepalive"] = True
    return Redis(
        connection_pool=ConnectionPool(
            connection_class=pool.connection_class,
            # Said, as redis-py 8 has a default of 5 seconds.
            socket_timeout=timeout,
            **COMMON,
            **kwargs,
        )
    )


def connected(redis: Any) -> Any:
    """Returns a new connection of a client, which is for the caller alone.

    Not by `get_connection`: redis-py demands an argument before 5.3, and warns of it
    from then on.
    """
    connection = redis.connection_pool.make_connection()
    connection.connect()
    return connection


def check_redis(redis: Any, url: str) -> None:
    """Asks Redis for a sign of life.

    Raises:
        ConfigurationError: if it gives none, with the remedy.
    """
    try:
        redis.ping()
    except AuthenticationError as error:
        remedy = (
            "Redis wants another password: put :PASSWORD@ or USER:PASSWORD@ before the "
            f"host ({error})"
        )
        raise ConfigurationError("redis", url, remedy) from error
    except ResponseError as error:
        remedy = f"Redis refused the user or database: check both ({error})"
        raise ConfigurationError("redis", url, remedy) from error
    except PlaceNotFound as error:
        raise ConfigurationError("redis", url, str(error)) from error
    except (RedisError, OSError) as error:
        remedy = f"start redis-server there, or give its address ({error})"
        raise ConfigurationError("redis", url, remedy) from error
