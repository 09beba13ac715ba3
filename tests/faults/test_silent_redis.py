"""Redis falls silent without closing a connection: nothing but a probe tells."""

from __future__ import annotations

import os
import signal
import time

import pytest
import redis

from ..proxy import TO_CLIENT, Proxy
from ..running import PLAIN_WAYS, System, redis_server, wait_until


pytestmark = pytest.mark.faults

#: Seconds until a silent path is noticed, and from its end until all is well.
DETECTED_WITHIN, RECOVERED_WITHIN = 10.0, 2.0


def not_ready(node):
    return node.get("/readyz")[0] == 503


def ready(node):
    return node.get("/readyz")[0] == 200


def stall_with_proxy(server, proxy):
    proxy.hole()
    return proxy.mend


def stall_answers_only(server, proxy):
    proxy.mute(TO_CLIENT)
    return proxy.mend


def stop_the_process(server, proxy):
    os.kill(server.pid, signal.SIGSTOP)
    return lambda: os.kill(server.pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("way", "stall", "seconds"),
    [
        (PLAIN_WAYS[0], stall_with_proxy, 9),
        (PLAIN_WAYS[1], stall_answers_only, 9),
        (PLAIN_WAYS[0], stop_the_process, 20),
    ],
)
def test_a_silent_redis_is_noticed_and_found_again(tmp_path, way, stall, seconds):
    server = redis_server(tmp_path).serve()
    with Proxy(server.port) as proxy:
        relay_redis = f"redis://127.0.0.1:{proxy.port}/0"
        with System(server.url, way, relay_redis=relay_redis) as system:
            node = system.nodes[0]
            sock = system.connect(1)
            begin = time.monotonic()
            mend = stall(server, proxy)
            try:
                wait_until(lambda: not_ready(node), "noticed", DETECTED_WITHIN)
                detected = time.monotonic() - begin
                assert node.get("/healthz")[0] == 200
                end = begin + seconds
                while time.monotonic() < end:
                    # Sampled for as long as the fault lasts: it is no flicker.
                    assert not_ready(node)
                    time.sleep(0.2)
            finally:
                mended = time.monotonic()
                mend()
            wait_until(lambda: ready(node), "ready", RECOVERED_WITHIN + 0.5)
            recovered = time.monotonic() - mended
            assert system.client.send_message(0, 1, "back") == 1
            assert sock.recv() == '"back"'
            print(f"noticed after {detected:.1f} s, well {recovered:.2f} s after it")
            assert recovered <= RECOVERED_WITHIN
            assert node.metric("freeim_subscription_gaps_total") >= 1
            # Cut off for longer than the lease or not: the counts are right.
            wait_until(lambda: system.sockets_of(1) == 1, "online", 3)
            assert "Traceback" not in node.log, node.log
    server.stop()


def test_a_subscription_at_a_redis_that_nobody_publishes_to_is_renewed(
    tmp_path, redis_url
):
    """As at a master that was demoted while it could not be reached: all looks well."""
    (tmp_path / "old").mkdir()
    old = redis_server(tmp_path / "old").serve()
    with Proxy(old.port) as proxy:
        relay_redis = f"redis://127.0.0.1:{proxy.port}/0"
        with System(old.url, "freeim relay", relay_redis=relay_redis) as system:
            node = system.nodes[0]
            sock = system.connect(1)
            channel = system.client.wire.server_channel(node.server_name)
            with redis.Redis.from_url(redis_url) as new:
                proxy.lead_to(int(redis_url.rsplit(":")[-1].split("/")[0]))
                system.redis.client_kill_filter(_type="normal", skipme=True)
                begin = time.monotonic()
                wait_until(lambda: new.pubsub_numsub(channel)[0][1] == 1, "moved", 5)
                moved = time.monotonic() - begin
                assert system.redis.pubsub_numsub(channel)[0][1] == 0
                print(f"moved after {moved:.1f} s")
                wait_until(
                    lambda: node.metric("freeim_subscription_gaps_total") == 1, "gap"
                )
                # The new one knew nothing of the sockets.
                online = system.client.wire.online_key
                wait_until(lambda: new.hgetall(online) == {b"1": b"1"}, "online", 3)
                new.publish(channel, '{"Item1":0,"Item2":[1],"Item3":"\\"back\\""}')
                assert sock.recv() == '"back"'
            # What the old one counts, nobody will take back.
            system.redis.flushall()
    old.stop()


def test_no_alarm_while_nothing_is_wrong(redis_url):
    """Idle for several times the silence that means something."""
    with System(redis_url, "freeim relay") as system:
        node = system.nodes[0]
        system.connect(1)
        end = time.monotonic() + 11
        while time.monotonic() < end:
            assert ready(node)
            time.sleep(0.2)
        for name in ("subscription_gaps", "lease_breaks", "presence_repairs"):
            assert node.metric(f"freeim_{name}_total") == 0
        assert "!" not in node.log, node.log
