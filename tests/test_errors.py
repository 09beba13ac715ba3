"""The errors' family, their texts, and what no text may show."""

from __future__ import annotations

import pickle

import pytest

import freeim
from freeim import errors


FAMILY = [
    ("ConfigurationError", [errors.FreeIMError, ValueError]),
    ("NotInitializedError", [errors.FreeIMError, RuntimeError]),
    ("ForkedError", [errors.FreeIMError, RuntimeError]),
    ("InvalidArgument", [errors.FreeIMError, ValueError]),
    ("InvalidClientId", [errors.InvalidArgument]),
    ("InvalidChan", [errors.InvalidArgument]),
    ("InvalidMessage", [errors.InvalidArgument]),
    ("InvalidMetaData", [errors.InvalidArgument]),
    ("WireError", [errors.FreeIMError, ValueError]),
]

TEXTS = [
    (
        errors.ConfigurationError("kick_code", 7, "give another"),
        "kick_code=7: give another",
    ),
    (
        errors.InvalidClientId("abc", "a GUID"),
        "invalid client id 'abc': expected a GUID",
    ),
    (errors.InvalidChan("", "a text"), "invalid channel name '': expected a text"),
    (errors.InvalidMessage({1}, "JSON"), "invalid message {1}: expected JSON"),
    (
        errors.InvalidMetaData(1, "a text"),
        "invalid client meta data 1: expected a text",
    ),
    (errors.WireError(b"\xff", "not UTF-8"), "not UTF-8: b'\\xff'"),
]

# The secret is `hush` in each.
URLS = [
    "redis://:hush@h:1/0",
    "redis://user:hush@h",
    "rediss://user:hush@h/2",
    "redis://user:hu:hush@h",
    "redis://user:p@hush@h",
    "redis://user:p hush@h",
    pytest.param("redis://user:hush" + "x" * 300 + "@h", id="a long password"),
    "unix:///tmp/redis.sock?password=hush",
    "unix://user@/tmp/redis.sock?db=0&password=hush",
    "redis://a:hush@h redis://b:hush@h",
    "redis+sentinel://:hush@h:1,i:2/chat/0",
    "redis+sentinel://h:1,i:2/chat?sentinel_password=hush",
    "redis+sentinel://a:hush@h:1/chat?x=1&sentinel_password=hush@",
    "redis+sentinel://a:hush@h:1,b:hush@i:2/chat",
    "rediss+sentinel://h/chat?ssl_password=hush",
    "redis+cluster://me:hush@h:1,me:hush@i:2",
]


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("name, bases", FAMILY)
def test_error_is_also_what_a_caller_would_catch(name, bases):
    error = getattr(freeim, name)
    assert all(issubclass(error, base) for base in bases)


@pytest.mark.parametrize("error, text", TEXTS)
def test_text_names_the_value_and_what_was_expected(error, text):
    assert str(error) == text


@pytest.mark.parametrize("error", [error for error, _ in TEXTS])
def test_error_survives_pickling(error):
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_forked_error_names_both_processes():
    error = errors.ForkedError(11, 12)
    assert (error.started_in, error.used_in) == (11, 12)
    assert "process 11" in str(error) and "fork to 12" in str(error)


def test_not_initialized_error_says_what_to_call():
    assert "ImHelper.initialization(" in str(errors.NotInitializedError())


def test_renamed_keeps_value_and_remedy():
    error = errors.ConfigurationError("servers", "a,a", "name each once")
    assert str(error.renamed("--servers")) == "--servers='a,a': name each once"


@pytest.mark.parametrize("url", URLS)
def test_configuration_error_hides_passwords(url):
    error = errors.ConfigurationError("redis", url, "give another")
    assert "hush" not in str(error)


@pytest.mark.parametrize(
    "url",
    [
        "redis://h:6379/0",
        "unix:///tmp/redis.sock",
        "a:1@b",
        "redis+sentinel://h:1,i:2/chat/0?x=1",
        "redis+cluster://h:1,i:2",
    ],
)
def test_hide_password_leaves_a_text_without_one(url):
    assert errors.hide_password(url) == url


def test_hide_password_leaves_user_and_host():
    assert errors.hide_password("redis://me:hush@h:1/0") == "redis://me:***@h:1/0"


def test_text_shows_the_beginning_of_a_long_value_only():
    text = str(errors.WireError("x" * 10_000, "not JSON"))
    assert text.startswith("not JSON: 'xxx") and text.endswith("x…")
    assert len(text) < 300


def test_text_of_a_value_nested_too_deep_can_be_made():
    assert "invalid message" in str(errors.InvalidMessage(nested(100_000), "JSON"))


def test_missing_extra_says_what_to_install():
    error = errors.missing_extra("the relay", "relay", ImportError("no", name="gevent"))
    assert isinstance(error, ImportError) and error.name == "gevent"
    assert "pip install 'freeim[relay]'" in str(error)
