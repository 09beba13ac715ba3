"""Who gets what: echo, receipts, channels, kicks, and what must be asked before."""

from __future__ import annotations

import pytest

from freeim.commands import ChanMessage, DirectMessage, ForceOffline
from freeim.relay.registry import Registry
from freeim.relay.router import Facts, Needs, Receipt, Router


NOBODY = 0

SPEAKING = pytest.mark.parametrize("speaking", [True, False])


class Socket:
    def __init__(self, client_id):
        self.client_id = client_id


class Process:
    """A router over the sockets of some clients: {client id: how many}."""

    def __init__(self, sockets):
        self.registry = Registry()
        for client_id, count in sockets.items():
            for _ in range(count):
                self.registry.add(Socket(client_id))
        self.router = Router(self.registry, NOBODY)

    def route(self, command, *, speaking=True, members=None, totals=None):
        facts = Facts(members or {}, totals or {})
        return self.router.route(command, facts, speaking)

    def needs(self, *commands, speaking=True):
        return self.router.needs(commands, speaking)


def clients(connections):
    """Returns whose sockets these are, once for each."""
    return [one.client_id for one in connections]


def owed(plan):
    """Returns (receiver, delivered) of the receipts that are decided."""
    return [(receipt.receiver, delivered) for receipt, delivered in plan.decided]


def direct(sender, *receivers, receipt=False):
    return DirectMessage(sender, list(receivers), '"你"', receipt)


def chan(sender, name="room"):
    return ChanMessage(sender, name, '"hi"')


# Direct messages


@SPEAKING
def test_direct_message_reaches_every_socket_of_every_receiver(speaking):
    plan = Process({1: 1, 2: 2, 3: 1}).route(direct(1, 3, 2, 9), speaking=speaking)
    assert clients(plan.receivers) == [3, 2, 2]
    assert plan.content == '"你"'.encode()
    assert not (plan.answering or plan.decided or plan.kicked)


ECHO = pytest.mark.parametrize(
    "here, total, echoed",
    [
        (0, 0, []),
        (0, 1, []),
        (1, 1, []),
        # One socket in this process, the other in another.
        (1, 2, [1]),
        (2, 2, [1, 1]),
        # Redis lags behind: what is here is sure.
        (2, 1, [1, 1]),
        # The total says less than is here, or is not known.
        (1, 0, []),
        (1, None, []),
    ],
)


@ECHO
@SPEAKING
@pytest.mark.parametrize("receipt", [True, False])
def test_sender_among_the_receivers_gets_it_only_with_several_sockets(
    here, total, echoed, speaking, receipt
):
    totals = {} if total is None else {1: total}
    plan = Process({1: here}).route(
        direct(1, 1, receipt=receipt), speaking=speaking, totals=totals
    )
    assert clients(plan.receivers) == echoed
    # No receipt to oneself.
    assert not (plan.answering or plan.decided)


@ECHO
def test_sender_in_a_channel_gets_it_only_with_several_sockets(here, total, echoed):
    totals = {} if total is None else {1: total}
    plan = Process({1: here, 2: 1}).route(
        chan(1), members={"room": [1, 2]}, totals=totals
    )
    assert clients(plan.receivers) == [*echoed, 2]


# Receipts


def test_receipt_waits_for_the_receivers_frames_to_be_written():
    process = Process({2: 2})
    plan = process.route(direct(1, 2, receipt=True))
    assert not (plan.receivers or plan.decided)
    assert [one for one, _ in plan.answering] == list(process.registry.of(2))
    first, second = (receipt for _, receipt in plan.answering)
    assert first is second
    assert (first.sender, first.receiver, first.content) == (1, 2, '"你"')


def test_every_receiver_has_a_receipt_of_its_own():
    plan = Process({2: 1, 3: 1}).route(direct(1, 2, 3, 9, receipt=True))
    assert [receipt.receiver for _, receipt in plan.answering] == [2, 3]
    assert owed(plan) == [(9, False)]


@pytest.mark.parametrize(
    "totals, delivered", [({}, False), ({2: 0}, False), ({2: 1}, True), ({2: 3}, True)]
)
def test_receiver_without_a_socket_here_has_it_if_another_process_has_one(
    totals, delivered
):
    plan = Process({1: 1}).route(direct(1, 2, receipt=True), totals=totals)
    assert owed(plan) == [(2, delivered)]


def test_who_does_not_speak_delivers_and_answers_nothing():
    plan = Process({2: 1}).route(direct(1, 2, 3, receipt=True), speaking=False)
    assert clients(plan.receivers) == [2]
    assert not (plan.answering or plan.decided)


def test_nobody_gets_no_receipt():
    plan = Process({2: 1}).route(direct(NOBODY, 2, 3, receipt=True))
    assert clients(plan.receivers) == [2]
    assert not (plan.answering or plan.decided)


@pytest.mark.parametrize(
    "written, answers",
    [
        ([True], [True]),
        ([False], [True]),
        ([True, True, False], [True, False, False]),
        ([False, True, False], [False, True, False]),
        ([False, False, True], [False, False, True]),
        ([False, False, False], [False, False, True]),
    ],
)
def test_receipt_is_decided_once_by_the_first_written_or_the_last_lost(
    written, answers
):
    receipt = Receipt(2, 1, "x", len(written))
    assert [receipt.settle(one) for one in written] == answers


# Channels


@SPEAKING
def test_channel_message_reaches_the_members_who_are_here(speaking):
    plan = Process({2: 2, 3: 1, 4: 1}).route(
        chan(1), speaking=speaking, members={"room": [3, 2, 99]}
    )
    assert clients(plan.receivers) == [3, 2, 2]
    assert plan.content == b'"hi"'
    assert not (plan.answering or plan.decided or plan.kicked)


@SPEAKING
def test_broadcast_reaches_every_socket(speaking):
    plan = Process({2: 2, 3: 1}).route(chan(NOBODY, None), speaking=speaking)
    assert clients(plan.receivers) == [2, 2, 3]


# Kicks


@SPEAKING
def test_kick_closes_every_socket_of_one_client(speaking):
    process = Process({2: 2, 3: 1})
    plan = process.route(ForceOffline(2), speaking=speaking)
    assert clients(plan.kicked) == [2, 2]
    assert not (plan.receivers or plan.answering or plan.decided)
    # A plan is kept while sockets come and go.
    process.registry.remove(plan.kicked[0])
    assert len(plan.kicked) == 2


# Needs


@pytest.mark.parametrize(
    "command, needs",
    [
        (ForceOffline(1), Needs()),
        (chan(NOBODY, None), Needs()),
        (chan(NOBODY), Needs(chans={"room"})),
        # A sender with no socket here, with one, with several.
        (chan(9), Needs(chans={"room"})),
        (chan(1), Needs(chans={"room"}, totals={1})),
        (chan(2), Needs(chans={"room"})),
        (direct(1, 1), Needs(totals={1})),
        (direct(2, 2), Needs()),
        (direct(9, 2, 8), Needs()),
        (direct(NOBODY, 2, 8, receipt=True), Needs()),
        (direct(9, 2, receipt=True), Needs()),
        (direct(9, 2, 8, 7, receipt=True), Needs(totals={8, 7})),
        (direct(2, 2, 1, receipt=True), Needs()),
        # Without the sender among the receivers no echo is in question.
        (direct(1, 2), Needs()),
        (direct(1, 2, receipt=True), Needs()),
    ],
    ids=str,
)
def test_needs_name_what_the_speaker_must_ask(command, needs):
    assert Process({1: 1, 2: 2}).needs(command) == needs


def test_who_does_not_speak_asks_for_the_echo_only():
    process = Process({1: 1})
    assert not process.needs(direct(9, 8, receipt=True), speaking=False)
    assert process.needs(direct(1, 1, 8, receipt=True), speaking=False).totals == {1}


def test_needs_of_a_batch_are_asked_together():
    needs = Process({1: 1, 2: 1}).needs(
        chan(NOBODY, "a"), chan(1, "b"), chan(2, "a"), direct(9, 8, receipt=True)
    )
    assert needs == Needs(chans={"a", "b"}, totals={1, 2, 8})


def test_needs_are_false_when_nothing_must_be_asked():
    assert not Needs()
    assert Needs(chans={"room"})
    assert Needs(totals={1})
