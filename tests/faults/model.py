"""A model of presence and delivery, and a thread that compares the system with it.

Each thread has clients and channels of its own, so it knows exactly what must come of
each thing that it does. Only the hall is everybody's.
"""

from __future__ import annotations

import json
import random

from freeim import ImClient

from ..running import DEADLINE, wait_until
from .raw import CLOSE, TEXT, RawSocket


CLIENTS_EACH = 10
SOCKETS_EACH = 3

HALL = "hall"

DELIVERED, OFFLINE = "发送成功", "用户不在线"


class ModelError(AssertionError):
    """The system did something else than the model."""


def check(got, expected):
    """Compares the system with the model."""
    if got != expected:
        raise ModelError(f"got {got!r} instead of {expected!r}")


class Watched(RawSocket):
    """A socket that knows what must come next."""

    def expect(self, *contents):
        """Reads one frame for each content, which may come in any order.

        Raises:
            ModelError: if anything else comes.
        """
        left = sorted(contents)
        while left:
            opcode, payload = self.recv()
            got = payload.decode() if opcode == TEXT else (opcode, payload)
            if got not in left:
                raise ModelError(f"got {got!r} instead of one of {left}")
            left.remove(got)

    def expect_close(self, code):
        """Reads a close frame, answers it, and then the end."""
        opcode, payload = self.recv()
        if (opcode, payload[:2]) != (CLOSE, code.to_bytes(2, "big")):
            raise ModelError(f"got {opcode}, {payload!r} instead of close {code}")
        if code != 1000:
            self.send_close(code)
        try:
            got = self.recv()
        except ConnectionError:
            self.end()
        else:
            raise ModelError(f"got {got} after the close frame")


class World:
    """What the model says of one thread's clients; it is changed by one thread."""

    def __init__(self, number):
        first = 100 * (number + 1)
        self.clients = range(first, first + CLIENTS_EACH)
        self.chans = [f"room-{number}-{letter}" for letter in "abc"]
        self.sockets = {client: [] for client in self.clients}
        self.members = {chan: set() for chan in [*self.chans, HALL]}

    def leave_all(self, client):
        """A client's last socket has closed."""
        for members in self.members.values():
            members.discard(client)

    def online(self):
        return {
            client: len(sockets) for client, sockets in self.sockets.items() if sockets
        }

    def everyone(self):
        return [sock for sockets in self.sockets.values() for sock in sockets]


class Actor:
    """One thread: does a random thing, and checks what came of it."""

    def __init__(self, number, system, seed):
        self.world = World(number)
        self.random = random.Random(f"{seed}-{number}")
        self.helper = ImClient(system.client.options)
        self._system = system
        self._workers = system.nodes[0].workers
        self.probe = 90_000 + number
        self.probes = []
        self._texts = 0
        #: Whether a process may still have something of ours before it.
        self._pending = False
        self.counts = {}
        self._actions = {
            self.connect: 4,
            self.disconnect: 3,
            self.kick: 1,
            self.join: 3,
            self.leave: 2,
            self.send: 7,
            self.send_with_receipt: 5,
            self.echo: 3,
            self.send_chan: 4,
        }

    def place_probes(self):
        """Puts a socket on each process, to know when it has done what was asked."""
        kept = set()
        while len(kept) < self._workers:
            sock = self._open(self.probe, len(kept) + 1)
            holders = self._holders(self.probe)
            if len(holders) > len(kept):
                kept = holders
                self.probes.append(sock)
            else:
                sock.end()
                self._wait_for_sockets(self.probe, len(kept))

    def _holders(self, client):
        """Returns the processes that hold sockets of a client."""
        redis, wire = self._system.redis, self.helper.wire
        pattern = wire.node_key(f"{self._system.nodes[0].server_name}:*")
        return {key for key in redis.keys(pattern) if redis.hexists(key, client)}

    def _open(self, client, count):
        sock = Watched(self.helper.prev_connect_server(client), DEADLINE)
        # gevent-websocket's worker answers the handshake before it is counted.
        self._wait_for_sockets(client, count)
        return sock

    def act(self):
        """Does one random thing."""
        (action,) = self.random.choices(
            list(self._actions), list(self._actions.values())
        )
        name = action.__name__
        self.counts[name] = self.counts.get(name, 0) + 1
        action()

    def settle(self):
        """Waits until each process has done all that was asked of it.

        Each takes its messages in order, so whoever has this one has the others.
        """
        if self._pending:
            text = self._text()
            self.helper.send_message(0, self.probe, text)
            for sock in self.probes:
                sock.expect(json.dumps(text))
            self._pending = False

    def end(self):
        """Closes everything; members that are offline would stay for ever."""
        for chan, members in self.world.members.items():
            some = [one for one in members if not self.world.sockets[one]]
            self.helper.remove_from_chan(chan, *some)
        for sock in [*self.world.everyone(), *self.probes]:
            sock.end()
        self.helper.redis.close()

    def hear(self, text, clients):
        """Checks that clients get what another thread has sent; probes hear all."""
        self._pending = True
        self._expect(clients, text)

    # What it does

    def connect(self):
        client = self._any_client()
        sockets = self.world.sockets[client]
        if len(sockets) == SOCKETS_EACH:
            return self.disconnect()
        self.settle()
        sockets.append(self._open(client, len(sockets) + 1))

    def disconnect(self):
        client = self._any_client(online=True)
        if client is None:
            return self.connect()
        self.settle()
        sockets = self.world.sockets[client]
        sock = sockets.pop(self.random.randrange(len(sockets)))
        sock.send_close(1000)
        sock.expect_close(1000)
        self._wait_for_count(client)

    def kick(self):
        client = self._any_client()
        self.settle()
        check(self.helper.force_offline(client), self._workers)
        self._pending = True
        sockets, self.world.sockets[client] = self.world.sockets[client], []
        for sock in sockets:
            sock.expect_close(4410)
        # Else a process that is late would kick the client's next socket.
        self.settle()
        if sockets:
            self._wait_for_count(client)

    def join(self):
        client, chan = self._any_client(), self._any_chan(HALL)
        self.settle()
        self.helper.join_chan(client, chan)
        self.world.members[chan].add(client)
        self._check_chan(chan)

    def leave(self):
        client, chan = self._any_client(), self._any_chan(HALL)
        self.settle()
        self.helper.leave_chan(client, chan)
        self.world.members[chan].discard(client)
        self._check_chan(chan)

    def send(self):
        """A direct message to one or several, from somebody or the system."""
        sender = self.random.choice([0, self._any_client()])
        receivers = self._some_clients(without=sender)
        text = self._publish_direct(sender, receivers, receipt=False)
        self._expect(receivers, text)

    def send_with_receipt(self):
        sender = self._any_client(online=True)
        if sender is None:
            # A receipt that nobody waits for could come to a later socket.
            return self.connect()
        receivers = self._some_clients(without=sender)
        text = self._publish_direct(sender, receivers, receipt=True)
        self._expect(receivers, text)
        self._expect_receipts(sender, receivers, text)

    def echo(self):
        """The sender is among the receivers: it gets it only on several sockets."""
        sender = self._any_client(online=True)
        if sender is None:
            return self.connect()
        others = self._some_clients(without=sender)
        receipt = self.random.random() < 0.5
        text = self._publish_direct(sender, [sender, *others], receipt)
        self._expect(others, text)
        if len(self.world.sockets[sender]) > 1:
            self._expect([sender], text)
        if receipt:
            self._expect_receipts(sender, others, text)

    def send_chan(self):
        sender = self.random.choice([0, self._any_client()])
        chan = self._any_chan()
        text = self._text()
        check(self.helper.send_chan_message(sender, chan, text), self._workers)
        self._pending = True
        members = self.world.members[chan]
        self._expect([one for one in members if one != sender], text)
        if sender in members and len(self.world.sockets[sender]) > 1:
            self._expect([sender], text)

    # What must have come of it

    def _expect(self, receivers, text):
        for client in receivers:
            for sock in self.world.sockets[client]:
                sock.expect(json.dumps(text))

    def _expect_receipts(self, sender, receivers, text):
        """One for each receiver, in any order, at all sockets of the sender."""
        receipts = [
            json.dumps(
                {
                    "content": json.dumps(text),
                    "receipt": DELIVERED if self.world.sockets[one] else OFFLINE,
                },
                ensure_ascii=False,
                separators=(",", ":"),
            )
            for one in receivers
        ]
        for sock in self.world.sockets[sender]:
            sock.expect(*receipts)

    def _wait_for_count(self, client):
        count = len(self.world.sockets[client])
        self._wait_for_sockets(client, count)
        if count == 0:
            self.world.leave_all(client)
            check(self.helper.get_chan_list_by_client_id(client), [])

    def _wait_for_sockets(self, client, count):
        """The count is written when the socket has ended: wait for it."""
        wait_until(
            lambda: self._system.sockets_of(client) == count, f"{client}: {count}"
        )

    def _check_chan(self, chan):
        if chan == HALL:
            return
        members = self.world.members[chan]
        check(set(self.helper.get_chan_client_list(chan)), members)
        check(self.helper.get_chan_online(chan), len(members))

    # Chance

    def _text(self):
        self._texts += 1
        return f"{self.probe}-{self._texts}"

    def _any_client(self, online=False):
        among = self.world.online() if online else self.world.clients
        return self.random.choice(sorted(among)) if among else None

    def _some_clients(self, without):
        among = [client for client in self.world.clients if client != without]
        return self.random.sample(among, self.random.choice([1, 1, 2, 3]))

    def _any_chan(self, *more):
        return self.random.choice([*self.world.chans, *more])

    def _publish_direct(self, sender, receivers, receipt):
        text = self._text()
        took = self.helper.send_message(sender, receivers, text, receipt)
        check(took, self._workers)
        self._pending = True
        return text
