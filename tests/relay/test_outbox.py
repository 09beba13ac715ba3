"""The queue before one socket: its bound, its order, its marks."""

from __future__ import annotations

import pytest

from freeim.relay.outbox import Outbox, Verdict


def filled(*frames, limit=1000):
    """Returns an outbox with frames in it; each has itself as its mark."""
    outbox = Outbox(limit)
    for frame in frames:
        assert outbox.put(frame, frame) is Verdict.TAKEN
    return outbox


def test_pending_is_what_was_put_in_order():
    outbox = filled(b"one", b"two", b"three")
    assert outbox.pending() == b"onetwothree"
    assert outbox.size == 11


def test_pending_is_empty_when_nothing_waits():
    outbox = Outbox(10)
    assert outbox.pending() == b""
    assert outbox.size == 0


def test_put_answers_slow_over_the_limit():
    outbox = filled(b"x" * 9, b"y", limit=10)
    assert outbox.put(b"z") is Verdict.SLOW
    assert outbox.pending() == b"x" * 9 + b"y"


@pytest.mark.parametrize("frames", [[b"x" * 50], [b"x" * 9, b"x" * 50]])
def test_one_frame_may_exceed_the_limit(frames):
    outbox = filled(*frames, limit=10)
    assert outbox.put(b"z") is Verdict.SLOW


def test_put_takes_again_when_enough_was_written():
    outbox = filled(b"x" * 10, limit=10)
    assert outbox.put(b"z") is Verdict.SLOW
    outbox.written(1)
    assert outbox.put(b"z") is Verdict.TAKEN
    assert outbox.pending() == b"x" * 9 + b"z"


def test_refused_frame_keeps_no_mark():
    outbox = filled(b"x", limit=1)
    assert outbox.put(b"y", "lost") is Verdict.SLOW
    assert outbox.discard() == [b"x"]


@pytest.mark.parametrize("step", [1, 2, 3, 5, 9])
def test_written_at_any_split_sends_every_byte_once(step):
    frames = [b"a", b"bcd", b"", b"efghi", b"jk"]
    outbox = filled(*frames)
    sent = b""
    while outbox.size:
        piece = outbox.pending()[:step]
        sent += piece
        outbox.written(len(piece))
    assert sent == b"".join(frames)
    assert outbox.pending() == b""


def test_written_returns_a_mark_when_the_last_byte_of_its_frame_is_out():
    outbox = filled(b"abc", b"de", b"f")
    assert outbox.written(2) == []
    assert outbox.written(1) == [b"abc"]
    assert outbox.written(3) == [b"de", b"f"]
    assert outbox.written(0) == []


def test_marks_keep_their_place_among_frames_without_one():
    outbox = Outbox(1000)
    outbox.put(b"ab")
    outbox.put(b"cd", "second")
    outbox.put(b"ef")
    assert outbox.written(3) == []
    outbox.put(b"gh", "fourth")
    assert outbox.written(2) == ["second"]
    assert outbox.written(3) == ["fourth"]


def test_frames_put_between_two_writes_come_after_the_rest():
    outbox = filled(b"abc")
    outbox.pending()
    outbox.put(b"def")
    outbox.written(2)
    assert outbox.pending() == b"cdef"


def test_close_lets_what_waits_go_first_and_takes_nothing_after():
    outbox = filled(b"abc")
    outbox.close(b"bye")
    assert outbox.put(b"late", "late") is Verdict.CLOSED
    assert outbox.pending() == b"abcbye"
    assert outbox.written(6) == [b"abc"]


def test_close_puts_its_frame_although_the_outbox_is_full():
    outbox = filled(b"x" * 20, limit=10)
    outbox.close(b"bye")
    assert outbox.pending().endswith(b"bye")


def test_second_close_adds_nothing():
    outbox = Outbox(10)
    outbox.close(b"first")
    outbox.close(b"second")
    assert outbox.pending() == b"first"
    assert outbox.size == 5


def test_discard_drops_all_and_returns_the_marks_that_are_not_out():
    outbox = filled(b"a", b"b", b"c")
    outbox.written(1)
    assert outbox.discard() == [b"b", b"c"]
    assert outbox.discard() == []
    assert outbox.pending() == b""
    assert outbox.size == 0


def test_nothing_is_taken_after_discard():
    outbox = filled(b"a")
    outbox.discard()
    outbox.close(b"bye")
    assert outbox.put(b"b", "b") is Verdict.CLOSED
    assert outbox.pending() == b""


def test_repr_tells_the_state_and_not_the_content():
    outbox = filled(b"secret", b"x")
    assert repr(outbox) == "<Outbox open, 7 bytes in 2 frames>"
    outbox.discard()
    assert repr(outbox) == "<Outbox closed, 0 bytes in 0 frames>"
