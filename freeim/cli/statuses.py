"""How the commands end."""

from __future__ import annotations

from enum import IntEnum


__all__ = ["Status"]


class Status(IntEnum):
    """The exit statuses, each with what it means."""

    def __new__(cls, number: int, text: str) -> Status:
        member = int.__new__(cls, number)
        member._value_ = number
        member.text = text
        return member

    text: str

    OK = (0, "done; a command that follows was ended by Ctrl-C, `relay` by a signal")
    FAILED = (
        1,
        "not done, or the answer is no: nobody took the message, a client is offline, "
        "a check failed, a node is not empty in time, an extra is missing, nobody "
        "reads what is printed",
    )
    UNUSABLE = (2, "a command, an option or an argument cannot be used")
    NO_REDIS = (3, "Redis cannot be reached or refuses; for `relay` it is 2")
    INTERRUPTED = (130, "Ctrl-C, in a command that was not done")
