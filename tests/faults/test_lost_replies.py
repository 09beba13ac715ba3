"""Redis does what it is told, but its answers are late or lost."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter

import pytest
import redis
import websocket

from freeim import ImClient

from ..proxy import TO_CLIENT, TO_SERVER, Proxy
from ..running import System, wait_until
from .listener import Listener


pytestmark = pytest.mark.faults

#: Seconds in which the counts must be right once answers flow again.
EXACT_WITHIN = 5.0

#: How the answers fail: thrown away, or kept back until the end.
FAULTS = {"lost": Proxy.mute, "late": Proxy.hole}

CASES = [("lost", 0.5), ("lost", 1.5), ("lost", 30), ("late", 0.5), ("late", 1.5)]

HEARER = 7

#: A node for each moment of a socket that is hit: a client's id says its node.
NODES = ["node-0", "node-1", "node-2"]
#: Of two sockets one closes; the only one closes.
TWO, ONE = 3, 6
#: Hit when the token is taken, and when the socket is counted.
AT_TOKEN, AT_COUNT = 1, 2


class Handshake(threading.Thread):
    """One attempt to connect, in a thread of its own."""

    def __init__(self, system, client_id):
        super().__init__(daemon=True)
        self.url = system.client.prev_connect_server(client_id)
        self._system = system
        self._token_key = system.client.wire.token_key(self.url.split("token=")[1])
        self.status, self.listener = 0, None
        self.start()

    def run(self):
        try:
            sock = websocket.create_connection(self.url, timeout=20)
        except websocket.WebSocketBadStatusException as error:
            self.status = error.status_code
        else:
            self.listener, self.status = Listener(sock), 101

    def wait_until_taken(self):
        """Waits until Redis gave the token's value away."""
        redis = self._system.redis
        wait_until(lambda: not redis.exists(self._token_key), "token is taken")

    @property
    def sockets(self):
        return int(self.listener is not None and self.listener.open)

    def close(self):
        if self.listener is not None:
            self.listener.close()


class Witness:
    """Hears, without a fault in between, what Redis publishes."""

    def __init__(self, redis_url):
        self._redis = redis.Redis.from_url(redis_url)
        self._pubsub = self._redis.pubsub()
        self._pubsub.psubscribe("*")
        assert self._pubsub.get_message(timeout=5)["type"] == "psubscribe"

    def heard(self, channel):
        """Returns what came by a channel so far; ends the witness."""
        self._redis.publish("end", "")
        found = []
        while True:
            message = self._pubsub.get_message(timeout=5)
            if message["channel"] == channel.encode():
                found.append(json.loads(message["data"]))
            if message["channel"] == b"end":
                self._pubsub.close()
                self._redis.close()
                return found


@pytest.mark.parametrize(("fault", "seconds"), CASES)
def test_a_message_is_sent_once(shared_redis, redis_url, fault, seconds):
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(Proxy(shared_redis.port))
        system = stack.enter_context(System(redis_url, "freeim relay"))
        witness = Witness(redis_url)
        hearer = stack.enter_context(Listener(system.connect(HEARER)))
        helper = ImClient(
            redis=f"redis://127.0.0.1:{proxy.port}/0",
            servers=system.client.options.servers,
        )
        end = [time.monotonic() + 60]
        outcomes, slowest = {}, [0.0]

        def send(sender):
            number = 0
            while time.monotonic() < end[0]:
                text, begin = f"{sender}-{number}", time.monotonic()
                try:
                    outcomes[text] = helper.send_message(0, HEARER, text)
                except (redis.ConnectionError, redis.TimeoutError):
                    outcomes[text] = None
                slowest.append(time.monotonic() - begin)
                number += 1
                time.sleep(0.01)

        senders = [threading.Thread(target=send, args=(name,)) for name in "abcd"]
        for sender in senders:
            sender.start()
        wait_until(lambda: len(hearer.messages) >= 100, "messages flow")
        FAULTS[fault](proxy, TO_CLIENT)
        time.sleep(seconds)  # The fault's length is the test's parameter.
        proxy.mend()
        flowing = len(hearer.messages)
        wait_until(lambda: len(hearer.messages) >= flowing + 100, "they flow again")
        end[0] = 0
        for sender in senders:
            sender.join(10)
        helper.redis.close()
        system.client.send_message(0, HEARER, "end")
        wait_until(lambda: '"end"' in hearer.messages, "all came")
        channel = system.client.wire.server_channel(system.nodes[0].server_name)
        published = Counter(json.loads(one["Item3"]) for one in witness.heard(channel))
        delivered = Counter(map(json.loads, hearer.messages))
    failed = [text for text, takers in outcomes.items() if takers is None]
    print(
        f"{fault} {seconds} s: {len(outcomes)} sent, {len(failed)} raised, of which "
        f"{sum(published[text] for text in failed)} reached Redis; at most "
        f"{max(published.values())} copies; slowest call {max(slowest):.2f} s"
    )
    assert set(published.values()) == set(delivered.values()) == {1}
    assert published == delivered
    # Whoever got an answer was told the truth.
    assert all(published[text] == 1 for text, takers in outcomes.items() if takers)
    assert 0 not in outcomes.values()
    if fault == "lost":
        # Those in flight when it began.
        assert sum(published[text] for text in failed) >= 1
    else:
        assert not failed


@pytest.mark.parametrize(("fault", "seconds"), CASES)
def test_counts_are_exact_and_no_token_is_refused(
    shared_redis, redis_url, fault, seconds
):
    lost = fault == "lost"
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(Proxy(shared_redis.port))
        relay_redis = f"redis://127.0.0.1:{proxy.port}/0"
        system = stack.enter_context(
            System(redis_url, "freeim relay", NODES, relay_redis=relay_redis)
        )
        witness = Witness(redis_url)
        stays, *leaving = [
            stack.enter_context(Listener(system.connect(who)))
            for who in (TWO, TWO, ONE)
        ]
        at_count = _hit_at_count(system, proxy, FAULTS[fault])
        begin = time.monotonic()
        at_token = Handshake(system, AT_TOKEN)
        at_token.wait_until_taken()
        for listener in leaving:
            listener.close()
        time.sleep(seconds)  # The fault's length is the test's parameter.
        proxy.mend()
        mended = time.monotonic()
        for handshake in (at_count, at_token):
            handshake.join(20)
            stack.callback(handshake.close)
        # 503: come again with a fresh token; 401 would send a user to the login.
        assert (at_count.status, at_token.status) == (101, 503 if lost else 101)

        def real():
            counts = {TWO: 1, AT_TOKEN: at_token.sockets, AT_COUNT: at_count.sockets}
            return {str(who).encode(): b"1" for who, n in counts.items() if n}

        online = system.client.wire.online_key
        wait_until(
            lambda: system.redis.hgetall(online) == real(),
            "the counts are those of the sockets",
            EXACT_WITHIN,
        )
        exact = time.monotonic()
        held = [node.metric("freeim_sockets") for node in system.nodes]
        assert held == [1, at_token.sockets, at_count.sockets]
        assert at_count.listener.code == (1013 if lost else None)
        # A fresh token opens at once.
        again = Handshake(system, AT_TOKEN)
        again.join(20)
        stack.callback(again.close)
        assert again.status == 101
        wait_until(lambda: system.sockets_of(AT_TOKEN) == 1 + at_token.sockets, "count")
        assert stays.open
        offline = witness.heard(system.client.wire.offline_channel)
        told = Counter((one["Item1"], one["Item3"]) for one in offline)
        print(
            f"{fault} {seconds} s: handshakes {at_token.status} (token) and "
            f"{at_count.status}, then {at_count.listener.code} (count); exact "
            f"{exact - mended:.2f} s after the fault of {mended - begin:.2f} s"
        )
        assert told[TWO, 1] == told[ONE, 0] == 1
        assert set(told.values()) == {1}
        for node in system.nodes:
            assert "Traceback" not in node.log, node.log


def _hit_at_count(system, proxy, fault):
    """Lets a client's token pass and loses the answer to its count."""
    proxy.delay(0.4, TO_SERVER)
    handshake = Handshake(system, AT_COUNT)
    handshake.wait_until_taken()
    # The answer passes, then the count is under way for the delay.
    time.sleep(0.1)
    fault(proxy, TO_CLIENT)
    wait_until(lambda: system.sockets_of(AT_COUNT) == 1, "counted")
    proxy.delay(0, TO_SERVER)
    return handshake
