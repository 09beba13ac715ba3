"""What is said on a node's own channel: its probes, and orders of an operator."""

from __future__ import annotations

import json
import math
from typing import NamedTuple

from .content import compact_json
from .errors import WireError
from .wire_json import wire_text


__all__ = ["PROBE", "DrainOrder", "decode_word", "encode_drain"]

#: What a node says to itself, to find out whether it hears.
PROBE = ""


class DrainOrder(NamedTuple):
    """Part from all sockets and take no others; the process stays.

    `window`: seconds over which the closes are spread; None for the node's own.
    """

    window: float | None


def encode_drain(order: DrainOrder) -> str:
    return compact_json({"order": "drain", "window": order.window})


def decode_word(data: bytes) -> DrainOrder | None:
    """Reads a word; None is a probe.

    Raises:
        WireError: if it is neither.
    """
    text = wire_text(data)
    if text == PROBE:
        return None
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WireError(data, "not JSON") from error
    if not isinstance(body, dict) or body.get("order") != "drain":
        raise WireError(data, "not an order")
    window = body.get("window")
    if window is None:
        return DrainOrder(None)
    if type(window) not in (int, float) or not 0 <= window < math.inf:
        raise WireError(data, "window is not a number of seconds")
    return DrainOrder(float(window))
