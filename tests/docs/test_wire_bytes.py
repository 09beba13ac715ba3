"""The dumps of docs/wire-format.md are, to freeim.wire, what they are said to be."""

from __future__ import annotations

import re

from freeim.commands import ChanMessage, DirectMessage, ForceOffline, Handover
from freeim.wire import PresenceEvent, Token

from .pages import read
from .wire_bytes import WIRE, undump


def dumps():
    """Returns the bytes of each dump of the page, by title and place."""
    page = read("docs/wire-format.md").partition("## Byte by byte")[2]
    dump = r"^([^\n]+) \(([^\n]+), (\d+) bytes\):\n\n```text\n(.*?)\n```"
    found = re.findall(dump, page, re.M | re.S)
    assert len(found) > 8
    for title, _, length, text in found:
        assert len(undump(text)) == int(length), title
    return {(title, place): undump(text) for title, place, _, text in found}


def test_each_dump_is_what_its_title_says():
    channel = "`PUBLISH im_v2_wsServer127.0.0.1:{}`".format
    hello = '{"text":"你好"}'
    receipt = '{"content":"\\"hi\\"","receipt":"发送成功"}'
    # Even ids belong to the first node, odd ones to the second.
    commands = {
        ("A direct message, from 1 to 2, with a receipt", 6001): DirectMessage(
            1, [2], hello, True
        ),
        ("A message to a channel", 6001): ChanMessage(1, "room", '"hi"'),
        ("A broadcast", 6001): ChanMessage(0, None, '"hi"'),
        ("A kick", 6002): ForceOffline(7),
        ("A handover", 6002): Handover("127.0.0.1:6002:5f2b8c01d9e7a634"),
        ("A receipt, from 2 to 1", 6002): DirectMessage(2, [1], receipt, False),
    }
    shown = dumps()
    for (title, port), command in commands.items():
        assert WIRE.decode_command(shown[title, channel(port)]) == command
    token = shown["A token", "`SET im_v2_wsToken…`"]
    assert WIRE.decode_token(token) == Token(7, "10.0.0.1")
    event = shown["An event", "`PUBLISH evt_im_v2_wsOffline`"]
    assert WIRE.decode_event(event) == PresenceEvent(7, "10.0.0.1", 0)
    frame = shown["A message to the browser", "WebSocket frame"]
    assert frame == bytes((0x81, len(hello.encode()))) + hello.encode()
    assert shown["A kick", "WebSocket frame"] == b"\x88\x08\x11\x3akicked"
