"""Receives a file's bytes, and tells how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from .errors import Refused


#: Bytes that are waited for at once; at a slow line's pace that is not long.
CHUNK = 8 * 1024

#: Seconds between two reports.
EVERY = 0.2


def receive(
    stream: BinaryIO, path: Path, size: int, report: Callable[[int], None]
) -> None:
    """Writes a stream of `size` bytes into a file.

    Reports how many bytes are there, from 0 on, but not more often than each `EVERY`.

    Raises:
        Refused: if there were more or fewer bytes.
    """
    received, reported_at = 0, float("-inf")
    with path.open("xb") as file:
        # Asking for one more than there should be shows whether there are more.
        while received <= size:
            if time.monotonic() - reported_at >= EVERY:
                reported_at = time.monotonic()
                report(received)
            chunk = stream.read(min(CHUNK, size - received + 1))
            if not chunk:
                break
            file.write(chunk)
            received += len(chunk)
    if received != size:
        raise Refused(400, "broken", f"expected {size} bytes, got {received}")
