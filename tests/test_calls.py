"""The list in which calls wait: order, blocks inside, and what is forgotten."""

from __future__ import annotations

from freeim.calls import Call, Held


def call(name):
    return Call([name], len, held=name)


def names(calls):
    return [one.steps[0] for one in calls]


def test_calls_leave_in_their_order_and_once():
    held = Held()
    assert [held.add(call(name)) for name in "abc"] == ["a", "b", "c"]
    assert names(held.close(keep=True)) == ["a", "b", "c"]
    assert held.close(keep=True) == []


def test_a_block_that_is_not_kept_leaves_nothing():
    held = Held()
    held.add(call("a"))
    assert held.close(keep=False) == []


def test_a_block_inside_is_a_part_of_the_one_around_where_it_stands():
    outer = Held()
    outer.add(call("a"))
    inner = Held(outer)
    inner.add(call("b"))
    assert inner.close(keep=True) == []
    outer.add(call("c"))
    assert names(outer.close(keep=True)) == ["a", "b", "c"]


def test_a_block_inside_is_forgotten_alone():
    outer = Held()
    outer.add(call("a"))
    inner = Held(outer)
    inner.add(call("b"))
    inner.close(keep=False)
    assert names(outer.close(keep=True)) == ["a"]


def test_take_takes_what_the_blocks_around_hold_before_its_own():
    outer = Held()
    outer.add(call("a"))
    inner = Held(outer)
    inner.add(call("b"))
    assert names(inner.take()) == ["a", "b"]
    # What comes later is not mixed up with what has left.
    inner.add(call("c"))
    inner.close(keep=False)
    outer.add(call("d"))
    assert names(outer.close(keep=True)) == ["d"]


def test_a_block_that_outlives_the_one_around_leaves_by_itself():
    outer = Held()
    inner = Held(outer)
    inner.add(call("a"))
    assert outer.close(keep=True) == []
    assert names(inner.close(keep=True)) == ["a"]
