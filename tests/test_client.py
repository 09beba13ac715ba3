"""The helper against a real Redis: every row of its table, and what it refuses."""

from __future__ import annotations

import json
import time
from uuid import UUID

import pytest
import redis

from freeim import (
    ImClient,
    ImHelper,
    ImSendEvent,
    InvalidChan,
    InvalidClientId,
    InvalidMessage,
    InvalidMetaData,
    NotInitializedError,
)

from .proxy import TO_CLIENT, Proxy
from .running import VECTORS, free_port


SERVERS = ["127.0.0.1:6001", "127.0.0.1:6002"]
GUID = UUID("7e57d004-2b97-0e7a-b45f-5387367791cd")

#: A client id of each dialect, and another on the same node.
IDS = {
    "v2": (7, 9),
    "v1": (GUID, UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff")),
}
PREFIXES = {"v2": "im_v2_ws", "v1": "wsim_ws"}

#: Names that would break a script they are spliced into, a key or a command.
HOSTILE_CHANS = [
    "it's",
    '"',
    "'}) redis.call('FLUSHALL') --",
    "a\r\nSET x 1\r\n",
    "nul\0nul",
    "聊天室 🎉",
    " ",
    "x" * 65536,
]


@pytest.fixture(params=["v2", "v1"])
def client(request, redis_url):
    client = ImClient(redis=redis_url, servers=SERVERS, dialect=request.param)
    yield client
    client.redis.close()


@pytest.fixture
def ids(client):
    return IDS[client.wire.dialect.name]


@pytest.mark.parametrize("case", VECTORS["token"], ids=lambda case: case["dialect"])
def test_prev_connect_server_writes_the_golden_token(case, redis_url):
    client = ImClient(
        redis=redis_url,
        servers=["127.0.0.1:6001"],
        dialect=case["dialect"],
        path_match=case["path"],
    )
    given = case["id"] if isinstance(case["id"], int) else UUID(case["id"])
    url = client.prev_connect_server(given, case["meta"])
    assert url.startswith(case["url_prefix"])
    token = url[len(case["url_prefix"]) :]
    assert len(token) == case["token_length"]
    key = case["key_prefix"] + token
    assert client.redis.get(key).decode() == case["value"]
    assert 0 < client.redis.ttl(key) <= case["ttl"]


def test_every_token_is_another(client, ids):
    assert len({client.prev_connect_server(ids[0]) for _ in range(100)}) == 100


def test_public_url_may_be_a_template(redis_url):
    template = "wss://im.example.com/{server}{path}?token={token}"
    client = ImClient(redis=redis_url, servers=["a", "b"], public_url=template)
    url = client.prev_connect_server(1)
    assert url.startswith("wss://im.example.com/b/ws?token=")


@pytest.mark.parametrize(
    "template, url",
    [
        ("ws://{server}{path}?token={token}", "ws://b/ws"),
        ("wss://im/{server}/ws?token={token}&v=2", "wss://im/b/ws?v=2"),
        ("wss://im/ws?node={server}&token={token}", "wss://im/ws?node=b"),
    ],
)
def test_prev_connect_gives_the_token_beside_the_url(redis_url, template, url):
    client = ImClient(redis=redis_url, servers=["a", "b"], public_url=template)
    address = client.prev_connect(1, "meta")
    assert address.url == url
    protocol, token = address.protocols
    assert protocol == "freeim"
    assert b"meta" in client.redis.get(client.wire.token_key(token))
    client.force_offline(1)
    assert not client.redis.exists(client.wire.token_key(token))


def test_an_error_of_redis_does_not_show_the_token(redis_url):
    client = ImClient(redis=redis_url, servers=SERVERS)
    key = client.wire.tokens_key(1)
    client.redis.set(key, "no set")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE") as caught:
        client.prev_connect_server(1, "secret")
    for private in ("secret", "Token"):
        assert private not in str(caught.value)


def test_public_url_may_be_a_mapping(redis_url):
    client = ImClient(
        redis=redis_url,
        servers=["a", "b"],
        public_url={"a": "ws://one/?{token}", "b": "wss://two/?{token}"},
    )
    assert client.prev_connect_server(1).startswith("wss://two/?")
    assert client.prev_connect_server(2).startswith("ws://one/?")


def test_channels_are_kept_on_both_sides_and_counted(client, ids):
    one, other = ids
    client.join_chan(one, "room", "hall")
    client.join_chan(one, "room")
    client.join_chan(other, "room")
    assert set(client.get_chan_client_list("room")) == {one, other}
    assert set(client.get_chan_list_by_client_id(one)) == {"room", "hall"}
    assert dict(client.get_chan_list()) == {"room": 2, "hall": 1}
    assert client.get_chan_online("room") == 2
    client.leave_chan(one, "room", "hall")
    client.leave_chan(one, "room")
    assert client.get_chan_client_list("room") == [other]
    assert client.get_chan_list_by_client_id(one) == []
    assert client.get_chan_list() == [("room", 1)]
    client.remove_from_chan("room", one, other)
    assert client.redis.keys() == []


def test_channel_hashes_are_those_of_the_original(client, ids):
    client.join_chan(ids[0], "room")
    prefix, name = PREFIXES[client.wire.dialect.name], str(ids[0]).encode()
    assert client.redis.hgetall(f"{prefix}Chanroom") == {name: b"0"}
    assert client.redis.hgetall(f"{prefix}Client{ids[0]}") == {b"room": b"0"}
    assert client.redis.hgetall(f"{prefix}ListChan") == {b"room": b"1"}


def test_leaving_mends_what_the_original_left_behind(client, ids):
    prefix = PREFIXES[client.wire.dialect.name]
    client.redis.hset(f"{prefix}Client{ids[0]}", "room", 0)
    client.leave_chan(ids[0], "room")
    assert client.get_chan_list_by_client_id(ids[0]) == []
    assert client.get_chan_online("room") == 0


def test_clear_chan_client_takes_the_offline_out_everywhere(client, ids):
    one, other = ids
    client.join_chan(one, "room")
    client.join_chan(other, "room")
    client.redis.hset(client.wire.online_key, str(other), 1)
    # The original's drift.
    client.redis.hset(client.wire.list_chan_key, "room", 40)
    assert client.clear_chan_client("room") == 1
    assert client.get_chan_client_list("room") == [other]
    assert client.get_chan_list_by_client_id(one) == []
    assert client.get_chan_online("room") == 1
    client.redis.delete(client.wire.online_key)
    assert client.clear_chan_client("room") == 1
    assert client.get_chan_list() == []


def test_clear_chan_client_looks_at_more_members_than_one_script_call(redis_url):
    client = ImClient(redis=redis_url, servers=SERVERS)
    for member in range(1, 1201):
        client.redis.hset(client.wire.chan_key("room"), member, 0)
    client.redis.hset(client.wire.online_key, 600, 1)
    assert client.clear_chan_client("room") == 1199
    assert client.get_chan_list() == [("room", 1)]


@pytest.mark.parametrize("chan", HOSTILE_CHANS, ids=lambda chan: ascii(chan[:20]))
def test_hostile_channel_names_are_only_names(client, ids, chan):
    client.redis.set("witness", "here")
    client.join_chan(ids[0], chan)
    assert client.get_chan_list() == [(chan, 1)]
    assert client.get_chan_list_by_client_id(ids[0]) == [chan]
    assert client.send_chan_message(ids[0], chan, "x") == 0
    client.clear_chan_client(chan)
    assert client.redis.keys() == [b"witness"]
    # A name is never part of a script, of which Redis would keep each one.
    assert client.redis.info("memory")["number_of_cached_scripts"] < 20


def test_online_is_read_from_the_hash(client, ids):
    one, other = ids
    client.redis.hset(client.wire.online_key, str(one), 2)
    client.redis.hset(client.wire.online_key, "no id", 1)
    assert client.get_client_list_by_online() == [one]
    assert client.has_online(one) is True
    assert client.has_online(other) is False
    assert client.has_online([other, one]) == [False, True]
    assert client.has_online([]) == []


@pytest.mark.parametrize(
    "bad", [0, -1, -(2**63), 2**63, True, "7", 1.0, None, b"7", GUID, [7]], ids=repr
)
def test_bad_v2_ids_are_refused_by_name_and_nothing_is_sent(redis_url, bad):
    client = ImClient(redis=redis_url, servers=SERVERS)
    pubsub = client.redis.pubsub()
    pubsub.psubscribe("*")
    assert pubsub.get_message(timeout=5)["type"] == "psubscribe"
    calls = [
        lambda: client.send_message(1, [*range(1, 1000), bad], "x"),
        lambda: client.join_chan(bad, "room"),
        lambda: client.remove_from_chan("room", 1, bad),
        lambda: client.prev_connect_server(bad),
        lambda: client.force_offline(bad),
        lambda: client.has_online([1, bad]),
        lambda: client.get_chan_list_by_client_id(bad),
    ]
    for call in calls:
        with pytest.raises(InvalidClientId) as caught:
            call()
        assert repr(bad)[:100] in str(caught.value)
        assert isinstance(caught.value, ValueError)
    client.redis.publish("end", "")
    assert pubsub.get_message(timeout=5)["channel"] == b"end"
    assert client.redis.keys() == []
    pubsub.close()


@pytest.mark.parametrize("bad", [-1, "1", None, True], ids=repr)
def test_bad_senders_are_refused(redis_url, bad):
    client = ImClient(redis=redis_url, servers=SERVERS)
    with pytest.raises(InvalidClientId):
        client.send_message(bad, 1, "x")
    with pytest.raises(InvalidClientId):
        client.send_chan_message(bad, "room", "x")


def test_one_receiver_may_stand_alone(client, ids):
    assert client.send_message(ids[0], ids[1], "x") == 0
    assert client.send_message(ids[0], [], "x") == 0


def test_v1_takes_guids_as_text(redis_url):
    client = ImClient(redis=redis_url, servers=SERVERS, dialect="v1")
    client.join_chan(str(GUID).upper(), "room")
    assert client.get_chan_client_list("room") == [GUID]


@pytest.mark.parametrize("bad", ["", None, 7, b"room", "\ud800"], ids=repr)
def test_bad_channels_are_refused_and_never_reach_everyone(client, ids, bad):
    for call in [
        lambda: client.send_chan_message(ids[0], bad, "x"),
        lambda: client.join_chan(ids[0], "room", bad),
        lambda: client.leave_chan(ids[0], bad),
        lambda: client.get_chan_online(bad),
    ]:
        with pytest.raises(InvalidChan):
            call()
    assert client.redis.keys() == []


@pytest.mark.parametrize(
    "bad",
    [float("nan"), [float("inf")], {1, 2}, range(3), b"x", "\udc80", {"a": ["\ud800"]}],
    ids=repr,
)
def test_messages_that_are_not_json_are_refused(client, ids, bad):
    for call in [
        lambda: client.send_message(ids[0], ids[1], bad),
        lambda: client.send_chan_message(ids[0], "room", bad),
        lambda: client.send_broadcast_message(bad),
    ]:
        with pytest.raises(InvalidMessage):
            call()


def test_a_circle_is_refused(client):
    circle = []
    circle.append(circle)
    with pytest.raises(InvalidMessage):
        client.send_broadcast_message(circle)


@pytest.mark.parametrize("bad", [7, b"x", "\ud800"], ids=repr)
def test_bad_meta_data_is_refused(client, ids, bad):
    with pytest.raises(InvalidMetaData):
        client.prev_connect_server(ids[0], bad)
    assert client.redis.keys() == []


def heard(pubsub):
    message = pubsub.get_message(ignore_subscribe_messages=True, timeout=5)
    while message is None:
        message = pubsub.get_message(ignore_subscribe_messages=True, timeout=5)
    return message["data"].decode()


def test_json_dumps_shapes_the_message_but_never_the_envelope(redis_url):
    client = ImClient(
        redis=redis_url,
        servers=SERVERS[:1],
        json_dumps=lambda value: json.dumps(value, indent=1, default=str).encode(),
    )
    pubsub = client.redis.pubsub()
    pubsub.subscribe(client.wire.server_channel(SERVERS[0]))
    client.send_message(1, 2, [GUID])
    payload = heard(pubsub)
    assert payload.startswith('{"Item1":1,"Item2":[2],"Item3":"[\\n ')
    assert json.loads(json.loads(payload)["Item3"]) == [str(GUID)]
    pubsub.close()


@pytest.mark.parametrize("text", ["NaN", "{", "", 7], ids=repr)
def test_json_dumps_that_gives_no_json_is_refused(redis_url, text):
    client = ImClient(redis=redis_url, servers=SERVERS, json_dumps=lambda value: text)
    with pytest.raises(InvalidMessage):
        client.send_broadcast_message("x")


def test_send_returns_how_many_processes_took_it(redis_url):
    client = ImClient(redis=redis_url, servers=SERVERS)
    pubsubs = [client.redis.pubsub() for _ in range(3)]
    for pubsub, server in zip(pubsubs, [*SERVERS, SERVERS[0]]):
        pubsub.subscribe(client.wire.server_channel(server))
        assert pubsub.get_message(timeout=5)["type"] == "subscribe"
    assert client.send_message(1, 2, "x") == 2
    assert client.send_message(1, [2, 3], "x") == 3
    assert client.send_broadcast_message("x") == 3
    assert client.force_offline(3) == 1
    for pubsub in pubsubs:
        pubsub.close()


def test_on_send_sees_each_publish_before_it_happens(redis_url):
    client = ImClient(redis=redis_url, servers=SERVERS)
    seen = []
    client.on_send.append(seen.append)
    client.send_message(1, [2, 3, 4], {"a": 1}, receipt=True)
    client.send_chan_message(0, "room", "x")
    assert seen == [
        ImSendEvent(SERVERS[0], 1, [2, 4], None, {"a": 1}, True),
        ImSendEvent(SERVERS[1], 1, [3], None, {"a": 1}, True),
        ImSendEvent(SERVERS[0], 0, [], "room", "x", False),
        ImSendEvent(SERVERS[1], 0, [], "room", "x", False),
    ]


def test_on_send_that_raises_keeps_everything_back(redis_url):
    client = ImClient(redis=redis_url, servers=SERVERS)
    pubsub = client.redis.pubsub()
    pubsub.psubscribe("*Server*")

    def refuse_the_second(event):
        assert event.server != SERVERS[1], "not there"

    client.on_send.append(refuse_the_second)
    with pytest.raises(AssertionError, match="not there"):
        client.send_message(1, [2, 3], "x")
    client.on_send.clear()
    client.send_message(1, 2, "next")
    assert "next" in heard(pubsub)
    pubsub.close()


def test_force_offline_revokes_unused_tokens(client, ids):
    client.prev_connect_server(ids[0])
    client.prev_connect_server(ids[0])
    client.prev_connect_server(ids[1])
    client.force_offline(ids[0])
    left = [key for key in client.redis.keys() if b"Token" in key]
    assert len([key for key in left if b"ClientTokens" not in key]) == 1
    assert client.wire.tokens_key(ids[1]).encode() in left


def test_a_redis_that_is_not_there_raises_within_the_deadline():
    client = ImClient(redis=f"redis://127.0.0.1:{free_port()}/0", servers=SERVERS)
    begin = time.monotonic()
    with pytest.raises(redis.ConnectionError):
        client.send_message(1, 2, "x")
    assert time.monotonic() - begin < 1.5


def test_a_command_whose_answer_is_lost_is_not_sent_again(shared_redis, redis_url):
    witness = redis.Redis.from_url(redis_url)
    pubsub = witness.pubsub()
    with Proxy(shared_redis.port) as proxy:
        client = ImClient(
            redis=f"redis://127.0.0.1:{proxy.port}/0", servers=SERVERS, timeout=0.3
        )
        pubsub.subscribe(client.wire.server_channel(SERVERS[0]))
        assert pubsub.get_message(timeout=5)["type"] == "subscribe"
        client.redis.ping()
        proxy.mute(TO_CLIENT)
        begin = time.monotonic()
        # Older redis-py wrap the time-out in a ConnectionError.
        with pytest.raises((redis.TimeoutError, redis.ConnectionError)):
            client.send_message(1, 2, "once")
        assert time.monotonic() - begin < 2
        client.redis.close()
    witness.publish(client.wire.server_channel(SERVERS[0]), "end")
    assert "once" in heard(pubsub)
    assert heard(pubsub) == "end"
    pubsub.close()
    witness.close()


def test_an_open_redis_is_used_as_it_is(redis_url):
    for decode in (False, True):
        own = redis.Redis.from_url(redis_url, decode_responses=decode)
        client = ImClient(redis=own, servers=SERVERS)
        assert client.redis is own
        client.join_chan(1, "房间")
        assert client.get_chan_list() == [("房间", 1)]
        assert client.get_chan_client_list("房间") == [1]
        own.close()


def test_two_systems_with_key_prefixes_do_not_meet(redis_url):
    first, second = (
        ImClient(redis=redis_url, servers=SERVERS, key_prefix=prefix)
        for prefix in ("staging:", "production:")
    )
    first.join_chan(1, "room")
    assert second.get_chan_list() == []
    assert all(key.startswith(b"staging:im_v2_ws") for key in first.redis.keys())


def test_imhelper_says_what_to_call_first(monkeypatch):
    monkeypatch.setattr(ImHelper, "_instance", None)
    with pytest.raises(NotInitializedError, match="ImHelper.initialization"):
        ImHelper.send_broadcast_message("x")
