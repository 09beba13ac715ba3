"""Commands about clients: who is online, who is let in, who must go."""

from __future__ import annotations

import time
from typing import Any, Iterator

import click

from ..client import ImClient
from ..dialects import ClientId
from ..status import read_nodes
from ..wire_json import wire_text
from .options import json_option
from .output import clock, print_json, print_table, progress
from .statuses import Status
from .system import open_client, read_client_id, system_options


__all__ = ["kick", "online", "token"]


@click.command()
@click.argument("client_ids", nargs=-1, metavar="[CLIENT_ID]…")
@click.option("--count", is_flag=True, help="Print numbers only.")
@click.option("--watch", is_flag=True, help="Print the numbers again and again.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.05),
    default=2.0,
    show_default=True,
    help="Seconds between two lines of --watch.",
)
@json_option
@system_options
def online(
    client_ids: tuple[str, ...],
    count: bool,
    watch: bool,
    interval: float,
    as_json: bool,
    **texts: str | None,
) -> int:
    """Show who is online, with the number of sockets.

    With client ids: those only, and status 1 if one is offline.
    """
    with open_client(texts) as client:
        if watch:
            _watch(client, interval, as_json)
        elif count:
            _print_numbers(client, as_json)
        elif client_ids:
            ids = [read_client_id(client, text) for text in client_ids]
            return _show(client, ids, as_json)
        else:
            _list(client, as_json)
        return Status.OK


@click.command()
@click.argument("client_ids", nargs=-1, required=True, metavar="CLIENT_ID…")
@json_option
@system_options
def kick(client_ids: tuple[str, ...], as_json: bool, **texts: str | None) -> int:
    """Close all sockets of clients, and revoke their unused tokens.

    Status 1 if no relay took the order for one of them.
    """
    with open_client(texts, sends=True) as client:
        ids = [read_client_id(client, text) for text in client_ids]
        taken = [client.force_offline(one) for one in progress(ids, "kicking")]
    rows = list(zip(ids, taken))
    if as_json:
        print_json([{"client": one, "relays": relays} for one, relays in rows])
    else:
        print_table(("client", "relays"), rows)
    return Status.OK if all(taken) else Status.FAILED


@click.command()
@click.argument("client_id")
@click.option("--meta", default="", help="Comes back in the client's events.")
@json_option
@system_options
def token(client_id: str, meta: str, as_json: bool, **texts: str | None) -> None:
    """Mint a token: print the address for one socket of a client.

    Whoever has the address is that client.
    """
    with open_client(texts, sends=True) as client:
        url = client.prev_connect_server(read_client_id(client, client_id), meta)
        if as_json:
            print_json({"url": url, "seconds": client.options.token_ttl})
        else:
            click.echo(url)


def _sockets(client: ImClient) -> Iterator[tuple[ClientId, int]]:
    for name, count in client.redis.hscan_iter(client.wire.online_key, count=1000):
        for one in client.wire.decode_ids([name]):
            yield one, int(count)


def _list(client: ImClient, as_json: bool) -> None:
    if as_json:
        print_json([{"client": one, "sockets": n} for one, n in _sockets(client)])
        return
    for one, sockets in _sockets(client):
        click.echo(f"{one}\t{sockets}")


def _show(client: ImClient, ids: list[ClientId], as_json: bool) -> int:
    answer: Any = client.redis.hmget(client.wire.online_key, list(map(str, ids)))
    counts = [max(int(wire_text(one or b"0")), 0) for one in answer]
    rows = list(zip(ids, counts))
    if as_json:
        print_json([{"client": one, "sockets": count} for one, count in rows])
    else:
        for one, sockets in rows:
            click.echo(f"{one}\t{sockets}")
    return Status.OK if all(counts) else Status.FAILED


def _print_numbers(client: ImClient, as_json: bool) -> None:
    nodes = [one for one in read_nodes(client.redis, client.wire) if one.lease]
    numbers = {
        "clients": client.redis.hlen(client.wire.online_key),
        "sockets": sum(one.report.sockets for one in nodes if one.report),
        "nodes": len(nodes),
    }
    if as_json:
        print_json({"time": int(time.time()), **numbers})
    else:
        shown = "  ".join(f"{name} {number}" for name, number in numbers.items())
        click.echo(f"{clock()}  {shown}")


def _watch(client: ImClient, interval: float, as_json: bool) -> None:
    try:
        while True:
            _print_numbers(client, as_json)
            time.sleep(interval)
    except KeyboardInterrupt:
        return
