"""How many sockets one process holds: in all, by address, and how fast they come."""

from __future__ import annotations

import resource

from ..websocket.address import neighbourhood
from ..websocket.handshake import BUSY, FULL, IP_FULL, TOO_FAST, Refusal


__all__ = ["Caps", "room_for_sockets"]

#: Files that are not for sockets: Redis, logs, and who is being refused.
SPARE_FILES = 100

#: Seconds of connects that may come at once after a quiet time.
BURST = 1.0


class Caps:
    """Counts sockets from their handshake to their end; 0 is no cap.

    Each `enter` that returned None is followed by one `arrive`, when its handshake is
    over, and by one `leave`. No method here yields to the hub: callers see whole
    states.
    """

    def __init__(self, total: int, per_ip: int, per_second: float) -> None:
        """Takes the caps on sockets, and on new ones in a second."""
        self._total = total
        self._per_ip = per_ip
        self._per_second = per_second
        #: Handshakes at a time: more would wait longer than a browser does.
        self.at_once = 4000
        self._sockets = self._arriving = 0
        #: Sockets by address; empty where there is no cap on them.
        self._by_ip: dict[str, int] = {}
        #: Connects that may come now, and when that was so.
        self._allowance, self._counted_at = per_second * BURST, 0.0

    def __repr__(self) -> str:
        return f"<Caps {self._sockets} sockets, {self._arriving} arriving>"

    def enter(self, address: str, now: float) -> Refusal | None:
        """Counts a socket in, or says why it may not come; `now` is in seconds."""
        if self._arriving >= self.at_once:
            return BUSY
        if self._total and self._sockets >= self._total:
            return FULL
        place = neighbourhood(address) if self._per_ip and address else ""
        if place and self._by_ip.get(place, 0) >= self._per_ip:
            return IP_FULL
        if self._per_second and not self._may_come(now):
            return TOO_FAST
        self._arriving += 1
        self._sockets += 1
        if place:
            self._by_ip[place] = self._by_ip.get(place, 0) + 1
        return None

    def arrive(self) -> None:
        """Takes note that a handshake is over."""
        self._arriving -= 1

    def leave(self, address: str) -> None:
        """Counts a socket off that was counted in under this address."""
        self._sockets -= 1
        if self._per_ip and address:
            place = neighbourhood(address)
            left = self._by_ip[place] - 1
            if left:
                self._by_ip[place] = left
            else:
                del self._by_ip[place]

    def _may_come(self, now: float) -> bool:
        earned = (now - self._counted_at) * self._per_second
        # A cap below one in a second still lets one in at a time.
        most = max(1.0, self._per_second * BURST)
        self._allowance = min(most, self._allowance + earned)
        self._counted_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True


def room_for_sockets(most: int) -> int:
    """Returns how many sockets this process may hold: one file more is an error.

    Args:
        most: what the operator wants; 0 for as many as can be.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return most
    room = max(1, files - SPARE_FILES)
    return min(most, room) if most else room
