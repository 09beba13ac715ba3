"""The two option classes: defaults, faults by name, and the environment."""

from __future__ import annotations

import dataclasses

import pytest

from freeim import ConfigurationError, ImClientOptions, RelayOptions
from freeim.dialects import V1
from freeim.options import variable


BOTH = pytest.mark.parametrize("options_class", [ImClientOptions, RelayOptions])

#: A text for each relay option, and what it becomes.
ENVIRONMENT = {
    "FREEIM_REDIS": ("redis://h/3", "redis://h/3"),
    "FREEIM_SERVERS": ("a:1, b:2", ("a:1", "b:2")),
    "FREEIM_PATH_MATCH": ("/im", "/im"),
    "FREEIM_DIALECT": ("v1", V1),
    "FREEIM_PARTITION": ("rendezvous", "rendezvous"),
    "FREEIM_KEY_PREFIX": ("blue:", "blue:"),
    "FREEIM_SERVER": ("b:2", "b:2"),
    "FREEIM_ALLOWED_ORIGINS": ("https://A.de, null", ("https://a.de", "null")),
    "FREEIM_MAX_SOCKETS": ("10", 10),
    "FREEIM_MAX_SOCKETS_PER_CLIENT": ("3", 3),
    "FREEIM_MAX_SOCKETS_PER_IP": ("4", 4),
    "FREEIM_MAX_CONNECTS_PER_SECOND": ("0.5", 0.5),
    "FREEIM_FORWARDED_ALLOW_IPS": ("::1,10.0.0.0/8", ("::1", "10.0.0.0/8")),
    "FREEIM_PING_INTERVAL": ("5", 5.0),
    "FREEIM_IDLE_TIMEOUT": ("7.5", 7.5),
    "FREEIM_OFFLINE_GRACE": ("4", 4.0),
    "FREEIM_LEASE_TTL": ("9", 9.0),
    "FREEIM_CHECK_INTERVAL": ("90", 90.0),
    "FREEIM_OUTBOX_LIMIT": ("1000", 1000),
    "FREEIM_MESSAGE_LIMIT": ("2000", 2000),
    "FREEIM_MAX_FRAMES_PER_SECOND": ("0", 0),
    "FREEIM_DRAIN_WINDOW": ("0", 0.0),
    "FREEIM_KICK_CODE": ("1001", 1001),
    "FREEIM_COMPRESS": ("on", True),
}


@pytest.mark.parametrize(
    "name, value",
    [
        ("path_match", "/ws"),
        ("key_prefix", ""),
        ("partition", "modulo"),
        ("ping_interval", 25.0),
        ("idle_timeout", 35.0),
        ("outbox_limit", 1024 * 1024),
        ("message_limit", 64 * 1024),
        ("drain_window", 5.0),
        ("kick_code", 4410),
        ("compress", False),
    ],
)
def test_relay_defaults_are_those_of_the_design(name, value):
    assert getattr(RelayOptions(servers=["a"]), name) == value


@pytest.mark.parametrize(
    "name, value",
    [
        ("path_match", "/ws"),
        ("key_prefix", ""),
        ("partition", "modulo"),
        ("public_url", "ws://{server}{path}?token={token}"),
        ("token_ttl", 10),
        ("connect_timeout", 1.0),
        ("timeout", 2.0),
        ("json_dumps", None),
    ],
)
def test_client_defaults_are_those_of_the_design(name, value):
    assert getattr(ImClientOptions(servers=["a"]), name) == value


@BOTH
def test_helper_and_relay_find_the_same_keys_by_default(options_class):
    wire = options_class(servers=["a"]).wire
    assert wire.dialect.name == "v2"
    assert wire.prefix == "im_v2_ws"


@BOTH
def test_a_cluster_wants_a_hash_tag_in_the_key_prefix(options_class):
    cluster = {"servers": ["a"], "redis": "redis+cluster://h:1"}
    for prefix in ("", "im:", "{}"):
        with pytest.raises(ConfigurationError, match="with a hash tag") as caught:
            options_class(**cluster, key_prefix=prefix)
        assert caught.value.name == "key_prefix"
        assert "\n" not in str(caught.value)
    assert options_class(**cluster, key_prefix="{im}:").wire.prefix == "{im}:im_v2_ws"


@BOTH
def test_wire_follows_from_dialect_path_and_prefix(options_class):
    options = options_class(
        servers="a", dialect="v1", path_match="/im/chat", key_prefix="blue:"
    )
    assert options.wire.prefix == "blue:wsim_im_chat"


@BOTH
def test_partition_changes_whose_server_is_which_and_has_a_remark(options_class):
    servers = ["a", "b", "c"]
    own = {"server": "a"} if options_class is RelayOptions else {}
    plain = options_class(servers=servers, **own)
    other = dataclasses.replace(plain, partition="rendezvous")
    ids = range(1, 100)
    spread = [
        [one.wire.dialect.select_server(i, servers) for i in ids]
        for one in (plain, other)
    ]
    assert spread[0] == [servers[i % 3] for i in ids] != spread[1]
    assert plain.remarks == []
    assert "C#" in other.remarks[0]
    assert (plain.wire.prefix, plain.dialect) == (other.wire.prefix, other.dialect)


@BOTH
def test_options_cannot_be_changed(options_class):
    with pytest.raises(dataclasses.FrozenInstanceError):
        options_class(servers=["a"]).path_match = "/x"


@BOTH
@pytest.mark.parametrize(
    "name, value",
    [
        ("redis", "localhost"),
        ("servers", ""),
        ("servers", "a,a"),
        ("path_match", "ws"),
        ("dialect", "v3"),
        ("partition", "random"),
        ("key_prefix", None),
    ],
)
def test_fault_keeps_the_option_and_its_value(options_class, name, value):
    with pytest.raises(ConfigurationError) as caught:
        options_class(**{"servers": ["a"], name: value})
    assert (caught.value.name, caught.value.value) == (name, value)
    assert caught.value.remedy


@BOTH
def test_servers_must_be_given(options_class):
    with pytest.raises(ConfigurationError, match="^servers="):
        options_class()


def test_mapping_of_urls_must_name_every_server():
    urls = {"a": "ws://a/{token}"}
    assert ImClientOptions(servers=["a"], public_url=urls).public_url == urls
    with pytest.raises(ConfigurationError, match="add a template for 'b'"):
        ImClientOptions(servers=["a", "b"], public_url=urls)


def test_server_may_be_left_out_if_it_is_alone():
    assert RelayOptions(servers=["a"]).server == "a"


@pytest.mark.parametrize("server", ["", "c"])
def test_server_must_be_one_of_several(server):
    with pytest.raises(ConfigurationError, match=r"^server=.*\(a, b\)$"):
        RelayOptions(servers=["a", "b"], server=server)


@pytest.mark.parametrize("idle_timeout", [10, 9.9])
def test_idle_timeout_must_be_longer_than_the_ping_interval(idle_timeout):
    with pytest.raises(ConfigurationError, match=r"^idle_timeout=.*\(10\)$"):
        RelayOptions(servers=["a"], ping_interval=10, idle_timeout=idle_timeout)


def test_every_relay_option_has_a_variable():
    names = [name for name, *_ in RelayOptions.names()]
    assert [variable(name) for name in names] == list(ENVIRONMENT)


def test_from_env_reads_every_variable():
    options = RelayOptions.from_env(
        {key: text for key, (text, _) in ENVIRONMENT.items()}
    )
    values = [getattr(options, name) for name, *_ in RelayOptions.names()]
    assert values == [value for _, value in ENVIRONMENT.values()]


def test_from_env_takes_an_empty_variable_for_one_that_is_not_set():
    environ = {key: "" for key in ENVIRONMENT}
    environ["FREEIM_SERVERS"] = "a"
    assert RelayOptions.from_env(environ) == RelayOptions(servers=["a"])


@pytest.mark.parametrize(
    "key, text, line",
    [
        ("FREEIM_REDIS", "localhost", "FREEIM_REDIS='localhost': give "),
        ("FREEIM_SERVERS", ",", "FREEIM_SERVERS=',': name "),
        ("FREEIM_SERVER", "c", "FREEIM_SERVER='c': name "),
        ("FREEIM_DIALECT", "v3", "FREEIM_DIALECT='v3': choose "),
        ("FREEIM_PING_INTERVAL", "often", "FREEIM_PING_INTERVAL='often': give "),
        ("FREEIM_IDLE_TIMEOUT", "1", "FREEIM_IDLE_TIMEOUT=1.0: make "),
        ("FREEIM_OUTBOX_LIMIT", "1MB", "FREEIM_OUTBOX_LIMIT='1MB': give "),
        ("FREEIM_ALLOWED_ORIGINS", "im.de", "FREEIM_ALLOWED_ORIGINS='im.de': name "),
        ("FREEIM_ALLOWED_ORIGINS", "http://a/", "FREEIM_ALLOWED_ORIGINS='http://a/': "),
        ("FREEIM_MAX_SOCKETS", "-1", "FREEIM_MAX_SOCKETS='-1': give "),
        ("FREEIM_FORWARDED_ALLOW_IPS", "lb", "FREEIM_FORWARDED_ALLOW_IPS='lb': name "),
        ("FREEIM_KICK_CODE", "1002", "FREEIM_KICK_CODE='1002': give "),
        ("FREEIM_COMPRESS", "maybe", "FREEIM_COMPRESS='maybe': give "),
    ],
)
def test_from_env_says_variable_value_and_remedy_in_one_line(key, text, line):
    with pytest.raises(ConfigurationError) as caught:
        RelayOptions.from_env({"FREEIM_SERVERS": "a", key: text})
    assert caught.value.name == key
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_from_texts_leaves_out_what_is_none():
    texts = {"servers": "a", "kick_code": None}
    assert RelayOptions.from_texts(texts, str).kick_code == 4410


def test_names_tell_the_help_and_the_default_of_each_option():
    for options_class in (ImClientOptions, RelayOptions):
        fields = {one.name: one.default for one in dataclasses.fields(options_class)}
        assert {name: default for name, _, default in options_class.names()} == fields
        assert all(text for _, text, _ in options_class.names())
