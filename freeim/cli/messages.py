"""Commands about messages, channels and events."""

from __future__ import annotations

import json
import queue
import sys
from typing import Any

import click

from ..errors import InvalidArgument
from ..events import ClientEvent, start_event_bus
from .failure import Failure
from .options import json_option
from .output import clock, print_json, print_table
from .statuses import Status
from .system import open_client, read_client_id, system_options


__all__ = ["chans", "events", "send"]


@click.command()
@click.option("--to", multiple=True, help="A client; may be repeated.")
@click.option("--chan", help="All members of this channel.")
@click.option("--broadcast", is_flag=True, help="Every client.")
@click.option("--sender", help="Who it comes from; default: the system.")
@click.option("--receipt", is_flag=True, help="Have the relay answer the sender.")
@click.option("--raw", is_flag=True, help="MESSAGE is JSON; else it is a text.")
@click.argument("message")
@json_option
@system_options
def send(
    to: tuple[str, ...],
    chan: str | None,
    broadcast: bool,
    sender: str | None,
    receipt: bool,
    raw: bool,
    message: str,
    as_json: bool,
    **texts: str | None,
) -> int:
    """Send a message; - reads it from standard input.

    Prints how many relay processes took it, and ends with 1 if none did: then it is
    lost.
    """
    if (bool(to), chan is not None, broadcast).count(True) != 1:
        raise click.UsageError("give one of --to, --chan and --broadcast")
    if receipt and not (to and sender):
        raise click.UsageError("--receipt needs --to and --sender")
    content = _content(message, raw)
    with open_client(texts, sends=True) as client:
        nobody = client.wire.dialect.nobody
        origin = nobody if sender is None else read_client_id(client, sender)
        try:
            if broadcast:
                taken = client.send_broadcast_message(content)
            elif chan is not None:
                taken = client.send_chan_message(origin, chan, content)
            else:
                ids = [read_client_id(client, text) for text in to]
                taken = client.send_message(origin, ids, content, receipt)
        except InvalidArgument as error:
            raise Failure(str(error), Status.UNUSABLE) from error
    if as_json:
        print_json({"relays": taken})
    else:
        click.echo(f"taken by {taken} relay process{'' if taken == 1 else 'es'}")
    return Status.OK if taken else Status.FAILED


@click.command()
@click.argument("chan", required=False)
@click.option(
    "--client",
    "client_text",
    envvar="FREEIM_CHANS_CLIENT",
    help="The channels of this client.",
)
@json_option
@system_options
def chans(
    chan: str | None, client_text: str | None, as_json: bool, **texts: str | None
) -> None:
    """List channels and their sizes, or the members of CHAN."""
    if chan is not None and client_text is not None:
        raise click.UsageError("give a channel or --client, not both")
    with open_client(texts) as client:
        names: list[Any]
        if client_text is not None:
            client_id = read_client_id(client, client_text)
            names = sorted(client.get_chan_list_by_client_id(client_id))
        elif chan is not None:
            try:
                names = client.get_chan_client_list(chan)
            except InvalidArgument as error:
                raise Failure(str(error), Status.UNUSABLE) from error
        else:
            _list(sorted(client.get_chan_list()), as_json)
            return
    if as_json:
        print_json(names)
        return
    for name in names:
        click.echo(name)


def _list(sizes: list[tuple[str, int]], as_json: bool) -> None:
    if as_json:
        print_json([{"chan": chan, "members": members} for chan, members in sizes])
    else:
        print_table(("chan", "members"), sizes)


@click.command()
@click.option("--every-socket", is_flag=True, help="Each socket, not each client.")
@click.option("--limit", type=click.IntRange(min=1), help="End after so many.")
@json_option
@system_options
def events(
    every_socket: bool, limit: int | None, as_json: bool, **texts: str | None
) -> None:
    """Follow who comes online and who goes offline, until Ctrl-C."""
    heard: queue.Queue[tuple[str, ClientEvent]] = queue.Queue()
    with open_client(texts) as client:
        bus = start_event_bus(
            client,
            lambda event: heard.put(("online", event)),
            lambda event: heard.put(("offline", event)),
            every_socket,
        )
        try:
            while limit is None or limit > 0:
                _print_event(*heard.get(), as_json)
                if limit is not None:
                    limit -= 1
        except KeyboardInterrupt:
            # The way to end it.
            click.echo(err=True)
        finally:
            bus.stop()


def _print_event(kind: str, event: ClientEvent, as_json: bool) -> None:
    if as_json:
        print_json({"event": kind, **event._asdict()})
        return
    sockets = "" if event.sockets is None else f"  sockets {event.sockets}"
    meta = f"  {event.client_meta_data}" if event.client_meta_data else ""
    click.echo(f"{clock()}  {kind:7}  {event.client_id}{sockets}{meta}")


def _content(message: str, raw: bool) -> Any:
    text = sys.stdin.read() if message == "-" else message
    if not raw:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"--raw: the message is no JSON: {error}") from error
