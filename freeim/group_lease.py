"""The lease of a group: who holds it handles the group's events, and nobody else."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from typing import Any, Callable

from redis.exceptions import RedisError, WatchError

from .scripts import load_script


__all__ = ["GroupLease", "TenureEnded", "make_owner"]

logger = logging.getLogger(__name__)

#: Renewals in the time that a lease lasts: two may fail.
RENEWALS = 3


class TenureEnded(Exception):
    """This process is not, or no longer, the one that handles the events."""


def make_owner() -> bytes:
    """Returns a name for who asks for leases; host and process are for the operator."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(8)}".encode()


class GroupLease:
    """One term of office: `take` it once, then a `with` renews it and gives it back.

    A thread of its own renews it, so that a handler may take its time.
    """

    def __init__(self, redis: Any, key: str, owner: bytes, ttl: float) -> None:
        self._redis = redis
        self._key = key
        self._owner = owner
        self._ttl = ttl
        self._until = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._keep, name="freeim-group-lease", daemon=True
        )
        self._renew_script = load_script("renew_group")
        self._release_script = load_script("release_group")

    def take(self) -> bool:
        """Takes the lease if nobody else has it; tells whether it is ours now."""
        asked_at = time.monotonic()
        taken = self._redis.set(self._key, self._owner, nx=True, px=self._ttl_ms)
        # Ours already: Redis was away when it was to be given back.
        if not taken and not self._renew():
            return False
        self._until = asked_at + self._ttl
        return True

    def __enter__(self) -> GroupLease:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        # What cannot be given back runs out by itself.
        with contextlib.suppress(RedisError, OSError):
            self._release_script(self._redis, [self._key], [self._owner])

    def check(self) -> None:
        """Returns if nobody else can have the lease.

        It is told by the clock, counted from before the last renewal was asked for. So
        a process that was frozen finds out without Redis.

        Raises:
            TenureEnded: if somebody may have it.
        """
        if time.monotonic() >= self._until:
            raise TenureEnded("the lease ran out")

    def transaction(self, fill: Callable[[Any], Any]) -> list[Any]:
        """Carries out the commands that `fill` puts in, if the lease is ours then.

        Redis decides, so it holds for a command that was long under way, too.

        Raises:
            TenureEnded: if the lease is not ours; nothing was done.
        """
        with self._redis.pipeline(transaction=True) as pipe:
            while True:
                pipe.watch(self._key)
                if pipe.get(self._key) != self._owner:
                    raise TenureEnded("another process has the lease, or none")
                pipe.multi()
                fill(pipe)
                try:
                    return list(pipe.execute())
                except WatchError:
                    # Our own renewal is a change, too: look again.
                    continue

    @property
    def _ttl_ms(self) -> int:
        return int(self._ttl * 1000)

    def _renew(self) -> bool:
        return bool(
            self._renew_script(self._redis, [self._key], [self._owner, self._ttl_ms])
        )

    def _keep(self) -> None:
        while not self._ended.wait(self._ttl / RENEWALS):
            asked_at = time.monotonic()
            try:
                renewed = self._renew()
            except (RedisError, OSError) as error:
                logger.warning("lease %s not renewed: %s", self._key, error)
                continue
            if not renewed:
                self._until = 0.0
                return
            self._until = asked_at + self._ttl
