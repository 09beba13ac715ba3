"""What a URL of Redis says, and the one line about a bad one."""

from __future__ import annotations

import pytest
from redis.crc import key_slot

from freeim.redis_url import RedisUrl, has_hash_tag, read_url


READ = {
    "redis://u:p@h:1/2?x=y": RedisUrl("server", "redis://u:p@h:1/2?x=y"),
    "unix:///tmp/redis.sock": RedisUrl("server", "unix:///tmp/redis.sock"),
    "redis+sentinel://a:1,b:2/chat/3": RedisUrl(
        "sentinel", "redis:///3", (("a", 1), ("b", 2)), "chat"
    ),
    "redis+sentinel://a/chat": RedisUrl(
        "sentinel", "redis:///0", (("a", 26379),), "chat"
    ),
    "redis+sentinel://a/my%20chat/": RedisUrl(
        "sentinel", "redis:///0", (("a", 26379),), "my chat"
    ),
    "rediss+sentinel://u:p%2F@[::1]:1,b/chat?sentinel_password=q": RedisUrl(
        "sentinel",
        "rediss://u:p%2F@/0?sentinel_password=q",
        (("::1", 1), ("b", 26379)),
        "chat",
    ),
    "redis+cluster://a:1,b": RedisUrl("cluster", "redis:///0", (("a", 1), ("b", 6379))),
    "rediss+cluster://:p@a:1/0": RedisUrl("cluster", "rediss://:p@/0", (("a", 1),)),
}

REFUSED = {
    "": "begins with redis://, rediss://, unix://, redis",
    "redis": "begins with redis://",
    "redis+sentinel": "begins with redis://",
    "redis+moon://a": "redis+sentinel://",
    "redis+sentinel://a:1": "/SERVICE/0",
    "redis+sentinel://a:1/": "/SERVICE/0",
    "redis+sentinel://a:1//0": "/SERVICE/0",
    "redis+sentinel://a:1/chat/zero": "/SERVICE/0",
    "redis+sentinel://a:1/chat/0/1": "/SERVICE/0",
    "redis+sentinel://:hu/sh@a:1/chat": "percent-encoded",
    "redis+sentinel:///chat": "HOST:PORT",
    "redis+sentinel://:hush@/chat": "HOST:PORT",
    "redis+sentinel://a:1,/chat": "HOST:PORT",
    "redis+sentinel://a:1,b:hush/chat": "HOST:PORT",
    "redis+sentinel://a:0/chat": "HOST:PORT",
    "redis+sentinel://a:65536/chat": "HOST:PORT",
    "redis+sentinel://::1/chat": "HOST:PORT",
    "redis+cluster://": "HOST:PORT",
    "redis+cluster://a:1/1": "redis+cluster://:PASSWORD@HOST:6379,HOST:6379",
    "redis+cluster://a:1/chat": "redis+cluster://:PASSWORD@HOST:6379,HOST:6379",
}


@pytest.mark.parametrize("url, said", READ.items(), ids=READ)
def test_a_url_says_who_is_asked_for_what(url, said):
    assert read_url(url) == said


@pytest.mark.parametrize("url, remedy", REFUSED.items(), ids=REFUSED)
def test_a_bad_url_is_refused_with_the_remedy_and_without_the_url(url, remedy):
    with pytest.raises(ValueError, match="^give ") as caught:
        read_url(url)
    assert remedy in str(caught.value)
    assert "hu" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["{im}", "{im}:", "a{b}c", "{{x}", "}{x}", "{a}{}"])
def test_a_prefix_with_a_hash_tag_keeps_all_keys_in_one_slot(prefix):
    assert has_hash_tag(prefix)
    slots = {key_slot(f"{prefix}{rest}".encode()) for rest in ("", "a", "{b}", "}")}
    assert len(slots) == 1


@pytest.mark.parametrize("prefix", ["", "im:", "{im", "im}", "{}", "{}{im}", "}{"])
def test_a_prefix_without_a_hash_tag_does_not(prefix):
    assert not has_hash_tag(prefix)
    slots = {key_slot(f"{prefix}{rest}".encode()) for rest in ("", "a", "{b}", "}")}
    assert len(slots) > 1
