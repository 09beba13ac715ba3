"""`freeim drain`: empties a node, by a word on its own channel."""

from __future__ import annotations

import io
import sys
import time

import click

from ..client import ImClient
from ..orders import DrainOrder, encode_drain
from ..status import NodeState, read_nodes
from .failure import Failure
from .options import json_option
from .output import print_json
from .statuses import Status
from .system import open_client, system_options


__all__ = ["drain"]

#: Seconds between two looks at who is left.
LOOK = 0.2


@click.command()
@click.argument("node")
@click.option(
    "--window",
    type=click.FloatRange(min=0),
    help="Seconds over which the closes are spread; default: the node's own.",
)
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds to wait for it, beside the window.",
)
@json_option
@system_options
def drain(
    node: str,
    window: float | None,
    wait: float,
    as_json: bool,
    **texts: str | None,
) -> int:
    """Empty a node: close its sockets with 1001, and admit no others.

    NODE is a server's name, for all its processes, or one process as `freeim top` names
    it. It stays, drained, until it is restarted. Its clients come back to where the
    helpers send them: take it out of their servers first.
    """
    with open_client(texts) as client:
        states = _find(client, node)
        for state in states:
            _order(client, state, window)
        left = _wait(client, states, time.monotonic() + wait + (window or 0))
    if as_json:
        print_json(
            [
                {
                    "node": one.node,
                    "clients": one.clients,
                    "left": left.get(one.node, 0),
                }
                for one in states
            ]
        )
    for name, clients in left.items():
        click.echo(f"freeim: {name} still has {clients} clients", err=True)
    if not as_json and not left:
        total = sum(one.clients for one in states)
        click.echo(f"drained {len(states)} process(es) of {total} clients")
    return Status.FAILED if left else Status.OK


def _find(client: ImClient, node: str) -> list[NodeState]:
    living = [one for one in read_nodes(client.redis, client.wire) if one.lease]
    found = [one for one in living if node in (one.node, one.server)]
    if not found:
        names = ", ".join(sorted({one.server for one in living})) or "none"
        raise Failure(f"no node {node!r} lives; those that do: {names}")
    return found


def _order(client: ImClient, state: NodeState, window: float | None) -> None:
    channel = client.wire.probe_channel(state.node)
    heard_by = client.redis.publish(channel, encode_drain(DrainOrder(window)))
    # In a Cluster only subscribers of one server are counted.
    if not heard_by and "cluster" not in str(client.options.redis):
        raise Failure(f"{state.node} does not hear: is its Redis connection lost?")


def _wait(client: ImClient, states: list[NodeState], until: float) -> dict[str, int]:
    """Waits until nodes are empty; returns the clients of those that are not."""
    names = {one.node for one in states}
    total = max(sum(one.clients for one in states), 1)
    shown = sys.stderr if sys.stderr.isatty() else io.StringIO()
    with click.progressbar(length=total, label="draining", file=shown) as bar:
        while True:
            left = {
                one.node: one.clients
                for one in read_nodes(client.redis, client.wire)
                if one.node in names and not _empty(one)
            }
            bar.update(max(total - sum(left.values()) - bar.pos, 0))
            if not left or time.monotonic() > until:
                return left
            time.sleep(LOOK)


def _empty(state: NodeState) -> bool:
    report = state.report
    # Those in their grace count on, without a socket.
    return not state.clients or bool(
        report is not None and report.draining and not report.sockets
    )
