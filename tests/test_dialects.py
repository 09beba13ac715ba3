"""Client ids of both dialects, and the server of each."""

from __future__ import annotations

import random
import timeit
from collections import Counter
from uuid import UUID

import pytest

from freeim.dialects import DIALECTS, PARTITIONS, V1, V2
from freeim.errors import InvalidClientId

from .running import VECTORS


GUID = UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff")
ZERO_GUID = UUID(int=0)
LAST_INT = 2**63 - 1

GOOD = [
    pytest.param(V2, 1, 1, id="v2 first"),
    pytest.param(V2, LAST_INT, LAST_INT, id="v2 last"),
    pytest.param(V1, GUID, GUID, id="v1 UUID"),
    pytest.param(V1, str(GUID), GUID, id="v1 text"),
    pytest.param(V1, str(GUID).upper(), GUID, id="v1 upper case, as some C# prints it"),
]

BAD = [
    (V2, -1),
    (V2, 2**63),
    (V2, True),
    (V2, False),
    (V2, 1.0),
    (V2, "1"),
    (V2, b"1"),
    (V2, None),
    (V2, [1]),
    (V2, GUID),
    (V1, 1),
    (V1, ""),
    (V1, "abc"),
    (V1, str(GUID)[:-1]),
    (V1, str(GUID) + "0"),
    (V1, str(GUID).replace("f", "g")),
    (V1, "\ud800" * 32),
    (V1, str(GUID).encode()),
    (V1, None),
    (V1, [GUID]),
]

BAD_TEXTS = [
    (V2, ""),
    (V2, "0"),
    (V2, "01"),
    (V2, "-1"),
    (V2, "+1"),
    (V2, " 1"),
    (V2, "1\n"),
    (V2, "1.0"),
    (V2, "1_0"),
    (V2, "٣"),
    (V2, str(2**63)),
    (V2, "9" * 5000),
    (V1, ""),
    (V1, "7"),
    (V1, str(ZERO_GUID)),
    (V1, str(GUID) + "\n"),
]

# 32 characters that int(…, 16), and so uuid.UUID, takes for hexadecimal digits.
NOT_QUITE_HEX = ["0x" + "1" * 30, "+" + "1" * 31, " " + "1" * 31, "1_" * 15 + "11"]


#: The cases of docs/wire-format.md.
RENDEZVOUS = [
    ("v2", 1000, "127.0.0.1:6002"),
    ("v2", LAST_INT, "127.0.0.1:6003"),
    ("v1", "6f9619ff-8b86-d011-b42d-00c04fc964ff", "127.0.0.1:6001"),
    ("v1", "12345678-1234-5678-1234-567812340000", "127.0.0.1:6002"),
]


@pytest.mark.parametrize("dialect, value, client_id", GOOD)
def test_check_returns_the_id(dialect, value, client_id):
    assert dialect.check(value) == client_id
    assert dialect.check_sender(value) == client_id


@pytest.mark.parametrize("dialect, value", BAD)
def test_check_refuses_what_is_no_id_and_keeps_it(dialect, value):
    for check in (dialect.check, dialect.check_sender):
        with pytest.raises(InvalidClientId) as caught:
            check(value)
        assert caught.value.value is value


@pytest.mark.parametrize("text", NOT_QUITE_HEX)
def test_check_refuses_texts_that_only_int_takes_for_a_guid(text):
    with pytest.raises(InvalidClientId):
        V1.check(text)


@pytest.mark.parametrize("value", [0, 0.0, False])
def test_v2_refuses_everything_equal_to_0_as_receiver(value):
    with pytest.raises(InvalidClientId):
        V2.check(value)


@pytest.mark.parametrize("value", [ZERO_GUID, str(ZERO_GUID)])
def test_v1_refuses_the_zero_guid_as_receiver(value):
    with pytest.raises(InvalidClientId):
        V1.check(value)


@pytest.mark.parametrize(
    "dialect, value", [(V2, 0), (V1, ZERO_GUID), (V1, str(ZERO_GUID))]
)
def test_check_sender_lets_nobody_pass(dialect, value):
    assert dialect.check_sender(value) == dialect.nobody


@pytest.mark.parametrize("value", [False, 0.0, None, ""])
def test_check_sender_takes_nothing_else_for_nobody(value):
    with pytest.raises(InvalidClientId):
        V2.check_sender(value)


@pytest.mark.parametrize(
    "dialect, client_id", [(V2, 1), (V2, LAST_INT), (V1, GUID), (V1, UUID(int=1))]
)
def test_text_and_json_forms_lead_back_to_the_id(dialect, client_id):
    assert dialect.from_text(str(client_id)) == client_id
    assert dialect.check(dialect.to_json(client_id)) == client_id


@pytest.mark.parametrize("dialect, text", BAD_TEXTS)
def test_from_text_refuses_what_is_no_id(dialect, text):
    with pytest.raises(InvalidClientId):
        dialect.from_text(text)


def test_json_form_of_a_guid_is_lower_case_with_dashes():
    assert V1.to_json(V1.check(GUID.hex.upper())) == str(GUID)


@pytest.mark.parametrize("case", VECTORS["partition"], ids=str)
def test_select_server_picks_the_one_that_csharp_picks(case):
    dialect = DIALECTS[case["dialect"]]
    servers = [f"server {number}" for number in range(case["nodes"])]
    client_id = dialect.check(case["id"])
    assert dialect.select_server(client_id, servers) == servers[case["index"]]


_random = random.Random(7)

#: 100,000 ids of each dialect as applications have them: v2 in order, v1 at random and,
#: as databases make them, counting in one place.
CROWDS = {
    "v2": (V2, range(1, 100_001)),
    "v1 random": (V1, [UUID(int=_random.getrandbits(128)) for _ in range(100_000)]),
    "v1 in order": (
        V1,
        [UUID(int=(i << 80) + (11 << 64) + 42) for i in range(100_000)],
    ),
}


def spread(dialect, ids, servers):
    return [dialect.select_server(one, servers) for one in ids]


@pytest.mark.parametrize("crowd", CROWDS)
@pytest.mark.parametrize("nodes", [2, 9])
def test_rendezvous_moves_only_those_whom_a_new_server_takes(crowd, nodes):
    dialect, ids = CROWDS[crowd]
    servers = [f"10.0.0.{number}:6001" for number in range(nodes)]
    rendezvous = dialect.partitioned("rendezvous")
    before = spread(rendezvous, ids, servers)
    # The place in the list is of no matter.
    after = spread(rendezvous, ids, ["new", *servers])
    moved = [new for old, new in zip(before, after) if old != new]
    assert set(moved) == {"new"}
    share = len(moved) / len(ids)
    assert share == pytest.approx(1 / (nodes + 1), rel=0.05)
    by_modulo = zip(
        spread(dialect, ids, servers), spread(dialect, ids, [*servers, "new"])
    )
    elsewhere = sum(old != new for old, new in by_modulo) / len(ids)
    print(f"{crowd}: {nodes} + 1 nodes move {share:.4f}, by modulo {elsewhere:.4f}")


@pytest.mark.parametrize("crowd", CROWDS)
@pytest.mark.parametrize(
    "name", ["10.0.0.{}:6001", "im-{}", "freeim-{}.freeim.default.svc"]
)
def test_rendezvous_gives_each_server_its_share(crowd, name):
    dialect, ids = CROWDS[crowd]
    servers = [name.format(number) for number in range(8)]
    counts = Counter(spread(dialect.partitioned("rendezvous"), ids, servers))
    shares = [counts[server] * 8 / len(ids) for server in servers]
    assert max(abs(share - 1) for share in shares) < 0.05
    # What a server that goes away held is shared by the others.
    left = Counter(spread(dialect.partitioned("rendezvous"), ids, servers[1:]))
    gains = [left[server] - counts[server] for server in servers[1:]]
    assert sum(gains) == counts[servers[0]]
    assert max(abs(gain * 7 / sum(gains) - 1) for gain in gains) < 0.15


@pytest.mark.parametrize("case", RENDEZVOUS, ids=str)
def test_rendezvous_is_what_the_document_says(case):
    dialect, client_id, server = case
    servers = ["127.0.0.1:6001", "127.0.0.1:6002", "127.0.0.1:6003"]
    select_server = DIALECTS[dialect].partitioned("rendezvous").select_server
    client_id = DIALECTS[dialect].check(client_id)
    assert select_server(client_id, servers) == server
    assert select_server(client_id, tuple(reversed(servers))) == server


def test_rendezvous_costs_microseconds():
    servers = tuple(f"10.0.0.{number}:6001" for number in range(4))
    cost = {}
    for name in PARTITIONS:
        one = V2.partitioned(name).select_server
        repeat = timeit.repeat(lambda one=one: one(10**17, servers), number=2000)
        cost[name] = min(repeat) / 2000 * 1e6
    print(", ".join(f"{name} {one:.2f} µs" for name, one in cost.items()))
    assert cost["rendezvous"] < 30


def test_modulo_is_the_dialects_own_way():
    assert V1.partitioned("modulo") is V1
    assert V2.partitioned("modulo") is V2


def test_dialects_are_found_by_their_names():
    assert DIALECTS == {"v1": V1, "v2": V2}


def test_a_million_ids_go_where_csharp_sends_them():
    # C#: `servers[clientId % servers.Length]`, for the ids that there are.
    servers, draw = ["a", "b", "c", "d", "e", "f", "g"], random.Random(7)
    for _ in range(1_000_000):
        client_id = draw.randrange(1, 1 << 63)
        assert V2.select_server(client_id, servers) == servers[client_id % 7]
