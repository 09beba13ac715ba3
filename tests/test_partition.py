"""Three relays that share the clients by rendezvous, and then a fourth."""

from __future__ import annotations

import json

import pytest

from freeim import ImClient

from .running import System


NAMES = ("im-1", "im-2", "im-3")


@pytest.mark.parametrize("dialect", ["v2", "v1"])
def test_helper_and_relays_agree_whose_client_is_whose(redis_url, dialect):
    options = {"partition": "rendezvous", "dialect": dialect}
    # By remainder, these would all be the first node's.
    ids = [3 * number for number in range(1, 13)]
    if dialect == "v1":
        ids = [f"00000000-0000-0000-{number:04}-000000000000" for number in ids]
    with System(redis_url, "freeim relay", NAMES, **options) as system:
        sockets = {one: system.connect(one) for one in ids}
        sender = ids[0]
        for one in ids[1:]:
            taken = system.client.send_message(sender, one, str(one), receipt=True)
            assert taken == 1
            assert json.loads(sockets[one].recv()) == str(one)
            # The receipt finds the sender's node, whichever the receiver's is.
            assert json.loads(sockets[sender].recv())["receipt"] == "发送成功"
        opened = [node.metric("freeim_opened_total") for node in system.nodes]
        assert sum(opened) == len(ids) and min(opened) > 0
        for node in system.nodes:
            assert node.metric("freeim_misrouted_total") == 0
        # A helper that knows one more still finds those who have not moved.
        grown = ImClient(redis=redis_url, servers=[*NAMES, "new"], **options)
        reached = {one: grown.send_message(sender, one, "again") for one in ids}
        for one in ids:
            # Who sends to himself, on one socket, hears nothing of it.
            if reached[one] and one != sender:
                assert json.loads(sockets[one].recv()) == "again"
        select_server = grown.wire.dialect.select_server
        for one in ids:
            server = select_server(grown.wire.dialect.check(one), [*NAMES, "new"])
            assert reached[one] == (server != "new")
        assert len(set(reached.values())) == 2
        grown.redis.connection_pool.disconnect()
