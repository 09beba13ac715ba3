"""A client with two sockets: the end of one takes nothing from the other."""

from __future__ import annotations

import contextlib
import threading
import time

import psutil
import pytest

from freeim.events import start_event_bus

from ..proxy import Proxy
from ..running import System, wait_until
from .listener import Listener


pytestmark = pytest.mark.faults

CLIENT, CHAN = 7, "room"

MESSAGES = 1000

#: Where the two sockets are: the way to run the relay says it.
PLACES = {
    "in one process": "freeim relay",
    "in two processes": "gunicorn -k gevent -w 4",
}

#: What becomes of the first socket.
ENDS = {"close frame": lambda one: one.sock.send_close(), "cut": Listener.close}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("place", PLACES)
def test_closing_one_of_two_sockets_changes_nothing(redis_url, place, end):
    with contextlib.ExitStack() as stack:
        system = stack.enter_context(System(redis_url, PLACES[place]))
        events = _heard_events(stack, system)
        first = stack.enter_context(Listener(system.connect(CLIENT)))
        system.client.join_chan(CLIENT, CHAN)
        second = stack.enter_context(_second_socket(system, place))
        watch = stack.enter_context(Watch(system))
        with Sender(system) as sender:
            wait_until(lambda: len(first.messages) > MESSAGES / 4, "messages flow")
            ENDS[end](first)
            wait_until(lambda: system.sockets_of(CLIENT) == 1, "one is gone")
            assert sender.sent < MESSAGES * 3 / 4
        wait_until(lambda: len(second.messages) >= MESSAGES, "all messages came")
        assert watch.stop() == set()
        assert second.messages == [str(number) for number in range(MESSAGES)]
        assert events == ["online"]
        second.close()
        wait_until(lambda: len(events) > 1, "the client is offline")
        assert not system.client.has_online(CLIENT)
        assert system.client.get_chan_list() == []
        assert events == ["online", "offline"]
        print(f"{place}, {end}: {watch.samples} samples, 0 of {MESSAGES} lost")


@pytest.mark.parametrize("place", PLACES)
def test_the_late_end_of_a_half_open_socket_changes_nothing(redis_url, place):
    times = {"ping_interval": 1, "idle_timeout": 2}
    with contextlib.ExitStack() as stack:
        system = stack.enter_context(System(redis_url, PLACES[place], **times))
        node = system.nodes[0]
        proxy = stack.enter_context(Proxy(int(node.address.split(":")[1])))
        events = _heard_events(stack, system)
        addresses = system.client.options.public_url
        direct = addresses[node.server_name]
        addresses[node.server_name] = direct.replace(
            node.address, f"127.0.0.1:{proxy.port}"
        )
        stack.enter_context(Listener(system.connect(CLIENT)))
        addresses[node.server_name] = direct
        system.client.join_chan(CLIENT, CHAN)
        # No route any more; the page notices, and connects again another way.
        proxy.hole()
        begin = time.monotonic()
        new = stack.enter_context(_second_socket(system, place))
        system.client.join_chan(CLIENT, CHAN)
        watch = stack.enter_context(Watch(system))
        with Sender(system, pause=0.006) as sender:
            wait_until(lambda: system.sockets_of(CLIENT) == 1, "the old one died")
            died = time.monotonic() - begin
            assert 0 < sender.sent < MESSAGES
        wait_until(lambda: len(new.messages) >= MESSAGES, "all messages came")
        assert watch.stop() == set()
        assert new.messages == [str(number) for number in range(MESSAGES)]
        assert (new.open, events) == (True, ["online"])
        new.close()
        wait_until(lambda: len(events) > 1, "the client is offline")
        assert events == ["online", "offline"]
        print(
            f"{place}: the old socket died after {died:.2f} s; member in all of "
            f"{watch.samples} samples, 0 of {MESSAGES} lost"
        )


class Sender(threading.Thread):
    """Sends numbers, to the client and to its channel in turn; leaving waits for all.

    Each takes a moment: what is tested must happen while messages are under way.
    """

    def __init__(self, system, pause=0.002):
        super().__init__(daemon=True)
        self._system, self._pause, self.sent = system, pause, 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.join(60)
        assert self.sent == MESSAGES

    def run(self):
        client = self._system.client
        for number in range(MESSAGES):
            if number % 2:
                client.send_message(0, CLIENT, number)
            else:
                client.send_chan_message(0, CHAN, number)
            self.sent += 1
            time.sleep(self._pause)


class Watch(threading.Thread):
    """Looks all the time whether the client is online and a member."""

    def __init__(self, system):
        super().__init__(daemon=True)
        self._system = system
        self._stopping = threading.Event()
        self._seen = set()
        self.samples = 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self.join(10)

    def stop(self):
        """Ends; returns what was not as it should be."""
        self.__exit__()
        assert self.samples > 100
        return self._seen

    def run(self):
        client = self._system.client
        while not self._stopping.wait(0.005):
            facts = {
                "online": client.has_online(CLIENT),
                "member": client.get_chan_client_list(CHAN) == [CLIENT],
                "in the channel": client.get_chan_list_by_client_id(CLIENT) == [CHAN],
                "counted": client.get_chan_online(CHAN) == 1,
            }
            self._seen |= {fact for fact, holds in facts.items() if not holds}
            self.samples += 1


def _heard_events(stack, system):
    events = []
    bus = start_event_bus(
        system.client,
        lambda event: events.append("online"),
        lambda event: events.append("offline"),
    )
    stack.callback(bus.stop)
    return events


def _second_socket(system, place):
    """Connects the client, who has one socket, again where it is to be."""
    if place == "in one process":
        return Listener(system.connect(CLIENT))
    (holder,) = _holders(system.nodes[0]).values()
    for _ in range(100):
        sock = system.connect(CLIENT)
        port = sock.sock.getsockname()[1]
        if _holders(system.nodes[0])[port] != holder:
            return Listener(sock)
        # gunicorn's workers take sockets as it happens.
        sock.shutdown()
        wait_until(lambda: system.sockets_of(CLIENT) == 1, "it is gone")
    raise AssertionError(f"all sockets went to process {holder}")


def _holders(node):
    """Returns which process has each socket of a node, by the peer's port."""
    port = int(node.address.split(":")[1])
    return {
        one.raddr.port: one.pid
        for one in psutil.net_connections("tcp4")
        if one.status == "ESTABLISHED" and one.laddr.port == port
    }
