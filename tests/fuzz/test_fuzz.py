"""The short version of the fuzz; `python -m tests.fuzz` is the long one."""

from __future__ import annotations

import random

from . import frames, parsers


#: Streams, and texts, of a run: other ones each time. A failure names its number.
COUNT = 4000


def some():
    first = random.randrange(1 << 40)
    return range(first, first + COUNT)


def test_any_stream_has_one_outcome_that_is_documented():
    endings = frames.count(some())
    print(endings)
    assert endings.pop("TOO_BIG or INVALID_DATA", 0) <= 1
    # All kinds came, so the streams reach everything.
    assert set(endings) == {
        *("open", "closed", "PROTOCOL_ERROR", "INVALID_DATA", "TOO_BIG", "POLICY")
    }


def test_any_text_is_read_or_refused():
    endings = parsers.count(some())
    print(endings)
    for parser in ("command", "token", "event"):
        assert {f"{parser} read", f"{parser} refused"} <= set(endings)
    assert {"handshake taken", "handshake 401", "handshake 400"} <= set(endings)
    assert {"channel taken", "channel refused"} <= set(endings)
