"""One stream against the frame path: the outcome is documented, and always the same."""

from __future__ import annotations

import random
from collections import Counter

from websockets.protocol import SERVER, Protocol as Peer

from freeim.websocket.frames import CloseReason
from freeim.websocket.protocol import Protocol

from .reference import verdict
from .streams import FRAME_RATE, MESSAGE_LIMIT, pieces, stream


#: What a client can do wrong.
FAULTS = {
    None,
    CloseReason.PROTOCOL_ERROR,
    CloseReason.INVALID_DATA,
    CloseReason.POLICY,
    CloseReason.TOO_BIG,
}


#: zlib looks one symbol further than it may write: one that is none, right behind a
#: message's limit, is seen if it came in the same piece. Some in a million streams.
EITHER = {CloseReason.TOO_BIG, CloseReason.INVALID_DATA}


def outcome(parts, deflates):
    """Returns the fault, the code of the peer's close frame, and all answers."""
    protocol, answers = Protocol(MESSAGE_LIMIT, deflates, FRAME_RATE), b""
    for part in parts:
        protocol.receive_data(part)
        answers += protocol.data_to_send()
    return protocol.fault, protocol.peer, answers


def check(number):
    """Makes the stream of a number and reads it in some ways; returns what came."""
    rng = random.Random(number)
    deflates = rng.random() < 0.3
    data = stream(rng, deflates)
    whole = fault, peer, _ = outcome([data], deflates)
    evidence = f"stream {number}, deflates {deflates}: {data[:2000].hex(' ')}"
    assert fault in FAULTS and (fault is None or peer is None), evidence
    splits = [pieces(rng, data)] if data else []
    if number % 10 == 0 and len(data) < 1000:
        splits.append([data[at : at + 1] for at in range(len(data))])
    for parts in splits:
        other = outcome(parts, deflates)
        if deflates and {fault, other[0]} == EITHER:
            return "TOO_BIG or INVALID_DATA"
        assert other == whole, evidence
    if not deflates:
        expected = verdict(data, MESSAGE_LIMIT, FRAME_RATE)
        assert whole == expected, f"{expected} for {evidence}"
        if fault is None:
            _compare(data, peer, evidence)
    return fault.name if fault else "closed" if peer else "open"


def count(numbers):
    """Checks many; returns how often each outcome came."""
    return Counter(check(number) for number in numbers)


def _compare(data, peer, evidence):
    """Sees to it that another library takes what we take."""
    # It counts control frames inside a message against a limit on that.
    other = Peer(SERVER, max_size=None)
    other.receive_data(data)
    if peer is None:
        # It looks at the mask's bit while the rest of the head has not come.
        early = "masking" in str(other.parser_exc)
        assert early or other.parser_exc is None, evidence
        assert other.close_rcvd is None, evidence
    else:
        assert other.close_rcvd is not None, evidence
        assert other.close_rcvd.code == peer, evidence
        # It minds a close frame inside a message, which RFC 6455 §5.4 allows.
        inside = other.current_size is not None
        assert inside or other.close_sent.code == peer, evidence
