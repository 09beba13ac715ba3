"""Redis behind Sentinel or in a Cluster: each fault in one line, and who logs in."""

from __future__ import annotations

import pytest
import redis
from redis.sentinel import Sentinel

from demo.redis_server import free_port
from freeim import ConfigurationError, ImClient
from freeim.events import start_event_bus
from freeim.redis_client import check_redis, open_redis, subscribing
from freeim.wire import Token

from .redis_groups import cluster_node, sentinel_of
from .running import redis_server, wait_until


LIMITS = {"connect_timeout": 1.0, "timeout": 2.0}


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """A Redis with one password, and its sentinel with another."""
    folder = tmp_path_factory.mktemp("locked")
    server = redis_server(folder, arguments=["--requirepass", "right"])
    server.ready = lambda: answers(server.port, "right")
    server.serve()
    sentinel = sentinel_of(
        server.port, folder, "requirepass other", "sentinel auth-pass chat right"
    )
    sentinel.ready = lambda: answers(sentinel.port, "other")
    sentinel.serve()
    yield server, sentinel
    sentinel.stop()
    server.stop()


@pytest.fixture(scope="module")
def sentinel(shared_redis, tmp_path_factory):
    """A sentinel of the Redis that most tests share, and of one that is not there."""
    server = sentinel_of(
        shared_redis.port,
        tmp_path_factory.mktemp("sentinel"),
        f"sentinel monitor gone 127.0.0.1 {free_port()} 1",
    )
    server.serve()
    yield server
    server.stop()


def answers(port, password):
    with redis.Redis(port=port, password=password, retry=None) as client:
        try:
            return client.ping()
        except redis.RedisError:
            return False


def fault(url, **options):
    """Returns the one line about a Redis that cannot be used."""
    with open_redis(url, **LIMITS, **options) as client:
        with pytest.raises(ConfigurationError) as caught:
            check_redis(client, url)
    line = str(caught.value)
    assert line.startswith("redis='redis+") and "\n" not in line
    assert "hush" not in line
    return line


def test_each_fault_of_a_sentinel_has_a_line_of_its_own(sentinel, shared_redis):
    here, dead = f"127.0.0.1:{sentinel.port}", f"127.0.0.1:{free_port()}"
    line = fault(f"redis+sentinel://:hush@{dead}/chat")
    assert "no sentinel answers: start one of them" in line and f"{dead}: " in line
    line = fault(f"redis+sentinel://{dead},{here}/sales")
    assert "the sentinels know no service 'sales': give the name" in line
    line = fault(f"redis+sentinel://{here}/gone")
    assert "as the master of 'gone', but there is none: start it, or wait" in line
    server = f"127.0.0.1:{shared_redis.port}"
    line = fault(f"redis+sentinel://{server}/chat")
    assert "no sentinel answers" in line and "unknown command" in line


def test_a_dead_sentinel_is_passed_over(sentinel):
    url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{sentinel.port}/chat/3"
    with open_redis(url, **LIMITS) as client:
        check_redis(client, url)
        assert client.client_info()["db"] == 3


def test_redis_and_its_sentinel_each_get_their_own_password(locked):
    _, sentinel = locked

    def url(login, query):
        return f"redis+sentinel://{login}127.0.0.1:{sentinel.port}/chat{query}"

    right = url(":right@", "?sentinel_password=other")
    with open_redis(right, **LIMITS) as client:
        check_redis(client, right)
    with subscribing(client) as waiting:
        assert waiting.client_info()["addr"]
    wrong = fault(url(":hush@", "?sentinel_password=other"))
    assert "Redis wants another password: put :PASSWORD@" in wrong
    wrong = fault(url("", "?sentinel_password=other"))
    assert "Redis wants another password" in wrong
    wrong = fault(url(":right@", "?sentinel_password=hush"))
    assert "no sentinel answers" in wrong and "?sentinel_password=" in wrong
    wrong = fault(url(":right@", ""))
    assert "no sentinel answers" in wrong


def test_each_fault_of_a_cluster_has_a_line_of_its_own(shared_redis, tmp_path):
    line = fault(f"redis+cluster://:hush@127.0.0.1:{free_port()}", key_prefix="{im}")
    assert "no node of the cluster answers: start one of them" in line
    line = fault(f"redis+cluster://127.0.0.1:{shared_redis.port}", key_prefix="{im}")
    assert "cluster support disabled" in line
    empty = cluster_node(tmp_path).serve()
    line = fault(f"redis+cluster://127.0.0.1:{empty.port}", key_prefix="{im}:")
    assert "no node of the cluster owns slot 3257, where key_prefix puts" in line
    empty.stop()


def test_tls_is_for_redis_and_for_whom_the_address_is_asked_of():
    url = "rediss+sentinel://:p@127.0.0.1:1/chat?ssl_cert_reqs=none"
    pool = open_redis(url, **LIMITS).connection_pool
    made = pool.connection_class(**pool.connection_kwargs)
    assert isinstance(made, redis.SSLConnection)
    with pytest.raises(redis.ConnectionError, match="no sentinel answers"):
        made.connect()


def test_the_sentinel_client_of_redis_py_can_be_given_and_its_events_heard(sentinel):
    sentinels = Sentinel([("127.0.0.1", sentinel.port)], socket_timeout=1)
    client = ImClient(redis=sentinels.master_for("chat"), servers=["a"])
    heard = []
    bus = start_event_bus(client, heard.append, heard.append)
    client.redis.publish(
        client.wire.online_channel, client.wire.encode_token(Token(1, "x"))
    )
    wait_until(lambda: heard, "the event")
    bus.stop()
    for each in (client.redis, *sentinels.sentinels):
        each.close()
