"""The two FreeIM wire dialects, as two values of one class, and which server is whose.

Nothing outside this module asks which dialect or which partition is in use.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Callable, Sequence, Union
from uuid import UUID

from .errors import InvalidClientId


__all__ = ["DIALECTS", "PARTITIONS", "ClientId", "Dialect", "V1", "V2"]

#: A user, app or device that may hold several sockets: an integer in v2, a GUID in v1.
ClientId = Union[int, UUID]


@dataclass(frozen=True)
class Dialect:
    """How one FreeIM generation writes ids, names keys and picks servers.

    `check` and `check_sender` take a value from an application or from JSON,
    `check_sender` letting `nobody` pass; `from_text` takes a hash field or the tail of
    a command. All three raise `InvalidClientId`.
    """

    name: str
    #: What every key and channel begins with, before the path.
    prefix: str
    #: The sender of system messages; never a receiver.
    nobody: ClientId
    check: Callable[[Any], ClientId]
    check_sender: Callable[[Any], ClientId]
    from_text: Callable[[str], ClientId]
    #: The same for many hash fields; None if they must be looked at one by one.
    from_fields: Callable[[Sequence[Any]], list[ClientId] | None]
    #: The id as a JSON value.
    to_json: Callable[[Any], int | str]
    #: Returns the server of a client (FreeIM `SelectServer`).
    select_server: Callable[[Any, Sequence[str]], str]

    def partitioned(self, name: str) -> Dialect:
        """Returns this dialect with the clients spread by one of `PARTITIONS`."""
        select_server = PARTITIONS[name]
        if select_server is None:
            return self
        return replace(self, select_server=select_server)


_INT_EXPECTED = "an integer from 1 to 2**63-1"
_INT_TEXT = re.compile(r"[1-9][0-9]{0,18}")
#: A digit less, which makes none too large.
_INT_FIELDS = re.compile(rb"[1-9][0-9]{0,17}(?:,[1-9][0-9]{0,17})*")
_GUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(-?)(?:[0-9a-fA-F]{4}\1){3}[0-9a-fA-F]{12}")
_GUID_EXPECTED = "a GUID other than zero, as uuid.UUID or as text"


def _check_int(value: Any) -> int:
    # bool is an int to Python, never an id.
    if type(value) is not int or not 0 < value < 2**63:
        raise InvalidClientId(value, _INT_EXPECTED)
    return value


def _check_int_or_zero(value: Any) -> int:
    # Micro-optimization (bench: direct): the usual case, by itself.
    if type(value) is int and 0 <= value < 2**63:
        return value
    return _check_int(value)


def _int_from_text(text: str) -> int:
    if not _INT_TEXT.fullmatch(text):
        raise InvalidClientId(text, _INT_EXPECTED)
    return _check_int(int(text))


def _ints_from_fields(fields: Sequence[Any]) -> list[ClientId] | None:
    # Micro-optimization (bench: a room's first message): 0.5 ms for 5,000 members,
    # 4.3 ms one by one.
    try:
        text = b",".join(fields)
    except TypeError:
        return None
    if _INT_FIELDS.fullmatch(text) and text.count(b",") == len(fields) - 1:
        return list(map(int, fields))
    return None


def _check_any_guid(value: Any) -> UUID:
    if isinstance(value, UUID):
        return value
    # UUID() takes more than GUIDs: signs, blanks, underscores.
    if not isinstance(value, str) or not _GUID_TEXT.fullmatch(value):
        raise InvalidClientId(value, _GUID_EXPECTED)
    return UUID(value)


def _check_guid(value: Any) -> UUID:
    guid = _check_any_guid(value)
    if guid.int == 0:
        raise InvalidClientId(value, _GUID_EXPECTED)
    return guid


def _one_by_one(fields: Sequence[Any]) -> None:
    return None


def _itself(client_id: int) -> int:
    return client_id


def _by_remainder(client_id: int, servers: Sequence[str]) -> str:
    return servers[client_id % len(servers)]


def _by_last_four_hex_digits(client_id: UUID, servers: Sequence[str]) -> str:
    return servers[(client_id.int & 0xFFFF) % len(servers)]


#: Makes 64 bits of an id; ids of v2 stay as they are. A prime: no pattern in GUIDs
#: that count in one place lets many fall together.
_FOLD = 2**64 - 59
_MASK = 2**64 - 1


@lru_cache(maxsize=64)
def _seeds(servers: tuple[str, ...]) -> list[tuple[int, str]]:
    digests = [blake2b(one.encode(), digest_size=8).digest() for one in servers]
    return [(int.from_bytes(x, "big"), one) for x, one in zip(digests, servers)]


def _by_rendezvous(client_id: ClientId, servers: Sequence[str]) -> str:
    """Returns the server that has the highest lot for this client.

    A server that is added takes those over for whom it draws the highest, one that is
    removed leaves its own to the others; nobody else moves. The lot is splitmix64's
    finalizer of id xor seed: blake2b for each pair takes twice as long, and CRC-32
    does not mix, so that servers would get very different shares.
    """
    number = int(client_id) % _FOLD
    highest = -1
    chosen = ""
    for seed, server in _seeds(tuple(servers)):
        lot = number ^ seed
        lot = (lot ^ (lot >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        lot = (lot ^ (lot >> 27)) * 0x94D049BB133111EB & _MASK
        lot ^= lot >> 31
        if lot > highest:
            highest = lot
            chosen = server
    return chosen


#: How clients are spread over servers; None is the dialect's own way, which C# knows.
PARTITIONS: dict[str, Callable[[Any, Sequence[str]], str] | None] = {
    "modulo": None,
    "rendezvous": _by_rendezvous,
}

#: FreeIM 2.0 and later.
V2 = Dialect(
    name="v2",
    prefix="im_v2",
    nobody=0,
    check=_check_int,
    check_sender=_check_int_or_zero,
    from_text=_int_from_text,
    from_fields=_ints_from_fields,
    to_json=_itself,
    select_server=_by_remainder,
)

#: FreeIM 1.0.8, the version of the article.
V1 = Dialect(
    name="v1",
    prefix="wsim",
    nobody=UUID(int=0),
    check=_check_guid,
    check_sender=_check_any_guid,
    from_text=_check_guid,
    from_fields=_one_by_one,
    to_json=str,
    select_server=_by_last_four_hex_digits,
)

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (V2, V1)}
