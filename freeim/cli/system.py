"""The system that a command is about."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from redis.exceptions import RedisError

from ..client import ImClient
from ..dialects import ClientId
from ..errors import ConfigurationError, InvalidClientId
from ..options import ImClientOptions
from ..redis_client import check_redis
from .failure import Failure
from .options import Texts, derived_options, read_options, spell
from .statuses import Status


__all__ = ["open_client", "read_client_id", "system_options"]

#: Gives a command what it takes to reach the system.
system_options = derived_options(ImClientOptions)

#: Stands for the servers where none are needed.
UNKNOWN = "unknown"


@contextmanager
def open_client(texts: Texts, sends: bool = False) -> Iterator[ImClient]:
    """Gives a client of the system whose Redis answers.

    Args:
        sends: whether it must know the servers, as who only looks need not.

    Raises:
        ConfigurationError: if an option cannot be used.
        Failure: if Redis cannot be.
    """
    if not sends and not texts["servers"]:
        texts = {**texts, "servers": UNKNOWN}
    options = read_options(ImClientOptions, texts)
    try:
        client = ImClient(options)
    except ConfigurationError as error:
        raise error.renamed(spell(error.name)) from error
    try:
        check_redis(client.redis, options.redis)
        yield client
    except ConfigurationError as error:
        named = error.renamed(spell(error.name))
        raise Failure(str(named), Status.NO_REDIS) from error
    except BrokenPipeError:
        # Not Redis: whoever reads what we print has enough, and click ends quietly.
        raise
    except (RedisError, OSError) as error:
        raise Failure(f"redis: {error}", Status.NO_REDIS) from error
    finally:
        client.redis.connection_pool.disconnect()


def read_client_id(client: ImClient, text: str) -> ClientId:
    """Reads a client id that was typed.

    Raises:
        Failure: if it is none of the dialect's.
    """
    try:
        return client.wire.dialect.from_text(text)
    except InvalidClientId as error:
        raise Failure(str(error), Status.UNUSABLE) from error
