"""Redis' messages come in crumbs: nothing is lost, nothing comes twice."""

from __future__ import annotations

import contextlib
import time

import pytest

from ..proxy import TO_CLIENT, Proxy
from ..running import PLAIN_WAYS, System, wait_until
from .listener import Listener


pytestmark = pytest.mark.faults

CLIENT, CHAN = 7, "room"

BIG = "x" * 5_000_000


@pytest.fixture
def dribbled(shared_redis, redis_url):
    """Returns a system, the proxy before its Redis, and a client that listens."""
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(Proxy(shared_redis.port))
        relay_redis = f"redis://127.0.0.1:{proxy.port}/0"
        system = stack.enter_context(
            System(redis_url, PLAIN_WAYS[0], relay_redis=relay_redis)
        )
        listener = stack.enter_context(Listener(system.connect(CLIENT)))
        system.client.join_chan(CLIENT, CHAN)
        yield system, proxy, listener
        node = system.nodes[0]
        assert node.metric("freeim_subscription_gaps_total") == 0
        assert "lost" not in node.log, node.log
        assert listener.open


def test_messages_come_one_byte_every_10_ms(dribbled):
    system, proxy, listener = dribbled
    proxy.dribble(1, 0.01, TO_CLIENT)
    begin = time.monotonic()
    for number in range(10):
        assert system.client.send_message(0, CLIENT, number) == 1
    wait_until(lambda: len(listener.messages) >= 10, "all came", 60)
    taken = time.monotonic() - begin
    # They really came in crumbs: each is more than 100 bytes.
    assert taken > 5
    # The rest of one that has begun, and more, at once.
    assert system.client.send_chan_message(0, CHAN, "last but one") == 1
    time.sleep(0.3)  # Its first crumbs.
    proxy.mend()
    system.client.send_message(0, CLIENT, "last")
    wait_until(lambda: '"last"' in listener.messages, "the end")
    assert listener.messages == [*map(str, range(10)), '"last but one"', '"last"']
    print(f"10 messages in {taken:.1f} s, byte by byte: 0 lost, 0 twice, 0 gaps")


def test_messages_of_5_mb_come_in_pieces(dribbled):
    system, proxy, listener = dribbled
    expected = []
    # At full speed; in pieces; in crumbs first, and then all of it.
    for fault, seconds in [(None, 0), ((65536, 0.01), 0), ((1, 0.01), 3)]:
        if fault is not None:
            proxy.dribble(*fault, TO_CLIENT)
        message = [len(expected), BIG]
        expected.append(f'[{len(expected)},"{BIG}"]')
        assert system.client.send_message(0, CLIENT, message) == 1
        time.sleep(seconds)  # How long it comes in crumbs.
        if seconds:
            assert len(listener.messages) < len(expected)
            proxy.mend()
        wait_until(lambda: len(listener.messages) >= len(expected), "it came", 60)
    system.client.send_message(0, CLIENT, "last")
    wait_until(lambda: '"last"' in listener.messages, "the end")
    # Not compared by pytest, which would show the difference.
    same = [text.replace(" ", "") for text in listener.messages[:-1]] == expected
    assert same, [text[:20] for text in listener.messages]
    print(f"{len(expected)} messages of 5 MB: 0 lost, 0 twice, 0 gaps")
