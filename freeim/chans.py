"""Channels: which clients hear what is sent to a room.

Membership is the application's to decide; a client leaves all its channels when its
last socket anywhere closes.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Sequence

from .atomic import Caller
from .calls import Call
from .content import check_chan
from .dialects import ClientId
from .scripts import load_script
from .wire import Wire
from .wire_json import wire_text


__all__ = ["Chans"]

#: Members of a channel that one script call of `clear_chan_client` looks at.
CLEAR_CHUNK = 500


class Chans(Caller):
    """The channels of one system; a part of `ImClient`."""

    def __init__(self, redis: Any, wire: Wire) -> None:
        """Stores an open client of Redis and the system's names."""
        super().__init__(redis)
        self.wire = wire
        self._dialect = wire.dialect
        self._join = load_script("join_chan")
        self._leave = load_script("leave_chan")
        self._clear = load_script("clear_chan")

    def join_chan(self, client_id: ClientId, *chans: str) -> None:
        """Makes a client a member of channels until its last socket closes.

        Raises:
            InvalidClientId: if the id is none; nothing was changed.
            InvalidChan: if a channel's name is none; nothing was changed.
        """
        self._move(self._join, [(client_id, chan) for chan in chans])

    def leave_chan(self, client_id: ClientId, *chans: str) -> None:
        """Takes a client out of channels; raises like `join_chan`."""
        self._move(self._leave, [(client_id, chan) for chan in chans])

    def remove_from_chan(self, chan: str, *client_ids: ClientId) -> None:
        """Takes clients out of a channel (C#: `LeaveChan(chan, clientIds)`)."""
        self._move(self._leave, [(client_id, chan) for client_id in client_ids])

    def get_chan_client_list(self, chan: str) -> list[ClientId]:
        """Returns the members of a channel."""
        return self.wire.decode_ids(
            self.redis.hkeys(self.wire.chan_key(check_chan(chan)))
        )

    def clear_chan_client(self, chan: str) -> int:
        """Takes the members out of a channel that are offline; returns how many.

        The channel's head count and the members' own lists are mended with it.
        """
        keys = [
            self.wire.chan_key(check_chan(chan)),
            self.wire.list_chan_key,
            self.wire.online_key,
        ]
        members = self.redis.hkeys(keys[0])
        removed = 0
        # The empty chunk of an empty channel mends the head count.
        for start in range(0, max(len(members), 1), CLEAR_CHUNK):
            chunk = members[start : start + CLEAR_CHUNK]
            args = [chan, self.wire.client_key_prefix, *chunk]
            removed += int(self._clear(self.redis, keys=keys, args=args))
        return removed

    def get_chan_list(self) -> list[tuple[str, int]]:
        """Returns every channel with its number of members."""
        counts = self.redis.hgetall(self.wire.list_chan_key)
        return [(wire_text(chan), int(count)) for chan, count in counts.items()]

    def get_chan_list_by_client_id(self, client_id: ClientId) -> list[str]:
        """Returns the channels that a client is a member of."""
        key = self.wire.client_key(self._dialect.check(client_id))
        return [wire_text(chan) for chan in self.redis.hkeys(key)]

    def get_chan_online(self, chan: str) -> int:
        """Returns the number of members of a channel."""
        return int(self.redis.hget(self.wire.list_chan_key, check_chan(chan)) or 0)

    def _move(self, script: Any, pairs: Sequence[tuple[Any, Any]]) -> None:
        checked = [(self._dialect.check(one), check_chan(chan)) for one, chan in pairs]
        if not checked:
            return
        steps = [
            partial(
                script,
                keys=[
                    self.wire.chan_key(chan),
                    self.wire.client_key(client_id),
                    self.wire.list_chan_key,
                ],
                args=[str(client_id), chan],
            )
            for client_id, chan in checked
        ]
        self._call(Call(steps, lambda answers: None))
