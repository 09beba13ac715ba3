"""What the frame path must say of a stream, by RFC 6455 and our limits, read at once.

Plain and slow, and without a parser's state: it has the whole stream. The order of its
steps is that in which a head's faults are looked for.
"""

from __future__ import annotations

import codecs

from freeim.websocket.frames import CloseReason, close_frame, pong_frame

from ..websocket.test_protocol import CLOSE, CONTINUATION, PING, PONG, TEXT


KNOWN = (0x0, 0x1, 0x2, CLOSE, PING, PONG)

#: Codes of close frames that a client may send, below 3000.
CODES = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013}


class _Fault(Exception):
    pass


def verdict(data, message_limit, frame_rate):
    """Returns (fault, code of the peer's close frame, answers) as a protocol has it."""
    answers = bytearray()
    try:
        return None, _read(data, message_limit, frame_rate, answers), bytes(answers)
    except _Fault as fault:
        return fault.args[0], None, bytes(answers)


def _read(data, limit, rate, answers):
    #: The message that is under way: its size, and what follows its characters.
    size, decoder, under_way, frames, room = 0, None, False, 0, limit
    while True:
        head = _head(data)
        if head is None:
            return None
        opcode, fin, rsv, masked, length, begin = head
        frames += 1
        control = opcode >= CLOSE
        first = opcode in (0x1, 0x2)
        _check(frames <= rate, CloseReason.POLICY)
        if not control:
            _check(under_way == (opcode == CONTINUATION))
            size = length if first else size + length
            if first:
                # Room for what compression adds, whether it was agreed to or not.
                room = limit + (64 + limit // 64 if rsv & 4 else 0)
            _check(size <= room, CloseReason.TOO_BIG)
        _check(not rsv and masked)
        if len(data) < begin + 4:
            return None
        mask, payload = data[begin : begin + 4], data[begin + 4 :][:length]
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        whole = len(payload) == length
        data = data[begin + 4 + length :]
        if control:
            if not whole:
                return None
            if opcode == PING:
                answers += pong_frame(payload)
            elif opcode == CLOSE:
                return _close(payload, answers)
            continue
        if length and not payload:
            return None
        if first:
            under_way = True
            decoder = (
                codecs.getincrementaldecoder("utf-8")() if opcode == TEXT else None
            )
        if decoder is not None:
            try:
                decoder.decode(payload, whole and fin)
            except UnicodeDecodeError as error:
                raise _Fault(CloseReason.INVALID_DATA) from error
        if not whole:
            return None
        if fin:
            under_way, size = False, 0


def _head(data):
    """Returns what a frame's head says, and where its mask begins; None if cut."""
    if len(data) < 2:
        return None
    opcode, fin, rsv = data[0] & 0xF, data[0] >> 7, data[0] >> 4 & 7
    _check(opcode in KNOWN)
    length, begin = data[1] & 0x7F, 2
    _check(opcode < CLOSE or (fin and length < 126))
    if length > 125:
        begin = 4 if length == 126 else 10
        if len(data) < begin:
            return None
        least = 126 if length == 126 else 1 << 16
        length = int.from_bytes(data[2:begin], "big")
        _check(least <= length < 1 << 63)
    return opcode, fin, rsv, data[1] >> 7, length, begin


def _close(payload, answers):
    code = int.from_bytes(payload[:2], "big")
    if payload:
        _check(len(payload) > 1 and (code in CODES or 3000 <= code < 5000))
        try:
            payload[2:].decode()
        except UnicodeDecodeError as error:
            raise _Fault(CloseReason.INVALID_DATA) from error
    answers += close_frame(code or 1000)
    return code or 1005


def _check(right, fault=CloseReason.PROTOCOL_ERROR):
    if not right:
        raise _Fault(fault)
