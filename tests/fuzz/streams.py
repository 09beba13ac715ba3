"""Streams of a client's bytes: frames that are mostly right, then spoilt."""

from __future__ import annotations

import struct
import zlib

from ..websocket.test_protocol import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MASK,
    PING,
    PONG,
    TEXT,
    frame,
)


#: The limits under which the streams are read: small, so that many reach them.
MESSAGE_LIMIT, FRAME_RATE = 300, 12

MESSAGES, CONTROL = (TEXT, BINARY), (PING, PONG, PONG, PONG, CLOSE)

SIZES = (0, 0, 1, 2, 5, 20, 90, 125, 126, 127, 300, 301, 70_000)

#: Whole characters, and others.
TEXTS = [b"", b"a", "é".encode(), "你好".encode(), "😀".encode(), b"[1]"] * 3
TEXTS += [b"\xff", b"\xe4\xbd", b"\xed\xa0\x80"]

CODES = (0, 999, 1000, 1001, 1005, 1006, 1007, 1011, 1012, 1014, 1015, 1016, 2999)
CODES += (3000, 3999, 4000, 4999, 5000, 65535)


def stream(rng, compressed=False):
    """Returns some frames, which a mutation or two may have spoilt."""
    frames, under_way = [], False
    for _ in range(rng.choice((1, 2, 3, 4, 6, 16))):
        opcode, fin = _kind(rng, under_way)
        frames.append(_frame(rng, opcode, fin, compressed))
        under_way = under_way if opcode >= CLOSE else not fin
    data = bytearray(b"".join(frames))
    for _ in range(rng.choice((0, 0, 1, 1, 1, 2, 4))):
        if data:
            data = rng.choice(MUTATIONS)(rng, data)
    return bytes(data)


def pieces(rng, data):
    """Returns the same bytes, cut at random points."""
    count = min(rng.choice((1, 2, 5, 20)), len(data))
    cuts = sorted(rng.randrange(len(data)) for _ in range(count))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)])]


def _kind(rng, under_way):
    """Returns an opcode that may come now, mostly, and whether it ends a message."""
    if rng.random() < 0.01:
        return rng.randrange(16), rng.random() < 0.5
    opcode = rng.choice(CONTROL if rng.random() < 0.4 else MESSAGES)
    if opcode >= CLOSE:
        return opcode, True
    return CONTINUATION if under_way else opcode, rng.random() < 0.6


def _frame(rng, opcode, fin, compressed):
    payload = _payload(rng, opcode)
    rsv = 0 if rng.random() < 0.99 else rng.randrange(8)
    if compressed and opcode in MESSAGES and fin and rng.random() < 0.7:
        payload, rsv = _deflated(rng, payload), 4
    mask = MASK if rng.random() < 0.995 else None
    return frame(opcode, payload, fin, mask, rsv)


def _payload(rng, opcode):
    if opcode == CLOSE:
        code = struct.pack("!H", rng.choice(CODES)) + rng.choice(TEXTS)
        return code if rng.random() < 0.9 else code[: rng.randrange(3)]
    size = rng.choice(SIZES if rng.random() < 0.2 else SIZES[:7])
    size = min(size, 125) if opcode >= CLOSE and rng.random() < 0.9 else size
    if opcode == BINARY:
        return rng.randbytes(size)
    return rng.choice(TEXTS) + b"x" * max(0, size - 4)


def _deflated(rng, payload):
    deflate = zlib.compressobj(rng.choice((0, 1, 9)), wbits=-15)
    data = deflate.compress(payload)
    data += deflate.flush(rng.choice((zlib.Z_SYNC_FLUSH, zlib.Z_FINISH)))
    return data[:-4] if data.endswith(b"\x00\x00\xff\xff") else data


def _flip(rng, data):
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def _overwrite(rng, data):
    data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7E, 0x7F, 0x80, 0xFE, 0xFF))
    return data


def _insert(rng, data):
    at = rng.randrange(len(data))
    data[at:at] = rng.randbytes(rng.randint(1, 8))
    return data


def _remove(rng, data):
    at = rng.randrange(len(data))
    del data[at : at + rng.randint(1, 8)]
    return data


def _repeat(rng, data):
    at = rng.randrange(len(data))
    return data + data[at : at + rng.randint(1, 40)]


def _cut(rng, data):
    return data[: rng.randrange(len(data))]


MUTATIONS = (_flip, _flip, _overwrite, _insert, _remove, _repeat, _cut)
