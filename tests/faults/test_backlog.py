"""The relay does not read what Redis has for it, until Redis cuts it off."""

from __future__ import annotations

import time

import pytest

from ..proxy import Proxy
from ..running import System, redis_server, wait_until


pytestmark = pytest.mark.faults

#: Characters of one message.
MESSAGE = 100_000


def publish(system, count, seconds):
    """Publishes messages in some time; returns how many Redis said were taken."""
    channel = system.client.wire.server_channel(system.nodes[0].server_name)
    payload = '{"Item1":0,"Item2":[2],"Item3":"\\"' + "x" * MESSAGE + '\\""}'
    taken, begin = 0, time.monotonic()
    for number in range(count):
        taken += system.redis.publish(channel, payload)
        # The rate is part of the fault.
        due = begin + number * seconds / count
        time.sleep(max(0, due - time.monotonic()))
    return taken


#: Redis' default limit with 45 MB in five seconds, and one of 1 MB. What the kernel
#: takes off Redis comes on top; then the small one is reached between two looks. After
#: five seconds of silence the relay would give the subscription up by itself.
@pytest.mark.parametrize(
    ("limit", "count", "alarm"),
    [(None, 450, True), ("pubsub 1mb 0 0", 150, False)],
    ids=["32 MB", "1 MB"],
)
def test_a_subscription_that_is_cut_off_is_announced_noticed_and_renewed(
    tmp_path, limit, count, alarm
):
    limits = ["--client-output-buffer-limit", *limit.split()] if limit else []
    server = redis_server(tmp_path, arguments=limits).serve()
    with Proxy(server.port) as proxy:
        relay_redis = f"redis://127.0.0.1:{proxy.port}/0"
        with System(server.url, "freeim relay", relay_redis=relay_redis) as system:
            node = system.nodes[0]
            sock, other = system.connect(1), system.connect(3)
            # Only the subscription stalls: other connections of the relay are new.
            proxy.strand()
            begin = time.monotonic()
            taken = publish(system, count, 5)
            if alarm:
                wait_until(lambda: "redis holds" in node.log, "alarm", 3)
            assert taken < count
            proxy.mend()
            cut = time.monotonic()
            wait_until(
                lambda: node.metric("freeim_subscription_gaps_total") == 1, "gap", 5
            )
            wait_until(lambda: node.get("/readyz")[0] == 200, "ready", 2)
            back = time.monotonic() - cut
            print(
                f"{taken} of {count} taken in {cut - begin:.1f} s, back in {back:.2f} s"
            )
            if alarm:
                assert node.log.index("redis holds") < node.log.index("missed")
            assert back <= 2
            system.client.send_message(0, 1, "back")
            assert sock.recv() == '"back"'
            other.shutdown()
            system.sockets.remove(other)
            wait_until(lambda: system.sockets_of(3) == 0, "counted off", 3)
            assert system.sockets_of(1) == 1
            assert "Traceback" not in node.log, node.log
    server.stop()
