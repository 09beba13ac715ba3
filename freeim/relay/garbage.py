"""How often Python looks for garbage in a relay process."""

from __future__ import annotations

import gc


__all__ = ["collect_rarely"]

#: Containers that must be there more than at the last look, and how many such looks
#: make one at older ones. A batch of messages is some ten thousand containers, all of
#: them free a moment later without any look; Python's 700 would look at every socket's
#: several times a batch. What only a look finds is some 10 KiB a failed connection.
THRESHOLDS = 50_000, 10, 10


def collect_rarely() -> None:
    """Spares what is there by now, and looks seldom at what comes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
