"""Long work gives way, to the sockets too."""

from __future__ import annotations

import time

import gevent
import pytest
from gevent import socket

from freeim.relay.pace import SLICE, STEP, Pace


def work(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def test_pace_is_tired_after_a_slice_and_not_after_a_rest():
    pace = Pace()
    assert not pace.tired
    work(SLICE * 1.1)
    assert pace.tired
    pace.give_way()
    assert not pace.tired


def test_bytes_for_another_greenlet_are_read_within_two_turns():
    # After `gevent.sleep(0)` the loop looks at its sockets only every 50th time.
    ours, theirs = socket.socketpair()
    heard = []
    reader = gevent.spawn(lambda: heard.append(ours.recv(10)))
    gevent.sleep(0.01)
    pace = Pace()
    theirs.sendall(b"x")
    turns = 0
    while not heard and turns < 100:
        work(SLICE)
        pace.give_way()
        turns += 1
    reader.join()
    ours.close()
    theirs.close()
    assert turns <= 2


@pytest.mark.parametrize("size", [0, 1, STEP, STEP + 1, 3 * STEP - 1])
def test_steps_are_the_whole_work_in_order(size):
    whole = list(range(size))
    parts = list(Pace().steps(whole))
    assert [one for part in parts for one in part] == whole
    assert all(len(part) <= STEP for part in parts)


def test_others_work_between_the_steps_of_long_work():
    turns = []

    def other():
        while True:
            turns.append(time.monotonic())
            gevent.sleep(0)

    greenlet = gevent.spawn(other)
    for part in Pace().steps([SLICE / STEP] * (STEP * 10)):
        work(sum(part))
    greenlet.kill()
    assert len(turns) >= 5
