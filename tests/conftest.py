"""The Redis that most tests share; no test leaves a key in it for the next."""

from __future__ import annotations

import pytest
import redis

from .running import redis_server


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory):
    server = redis_server(tmp_path_factory.mktemp("redis")).serve()
    yield server
    server.stop()


@pytest.fixture
def redis_url(shared_redis):
    with redis.Redis.from_url(shared_redis.url) as client:
        client.flushall()
    return shared_redis.url
