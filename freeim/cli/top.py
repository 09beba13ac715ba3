"""`freeim top`: every relay process, as it last reported."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import click

from ..client import ImClient
from ..errors import missing_extra
from ..status import NodeState, Report, read_nodes
from .options import json_option
from .output import print_json, print_table
from .system import open_client, system_options


__all__ = ["top"]

HEAD = (
    *("node", "process", "up", "sockets", "in/s", "out/s", "queued", "lag ms", "gaps"),
    *("lease", "version", "state"),
)


class Row(NamedTuple):
    """One line of the table; numbers are shown to the right."""

    node: str
    process: str
    up: str
    sockets: int
    in_per_second: float
    out_per_second: float
    queued: int
    lag_ms: float
    gaps: int
    lease: float
    version: str
    state: str


@click.command()
@click.option("--once", is_flag=True, help="Print it once and end.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.05),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@json_option
@system_options
def top(once: bool, interval: float, as_json: bool, **texts: str | None) -> None:
    """Watch the nodes: sockets, messages in and frames out per second, and health.

    Each process reports with the renewal of its lease, five times in lease_ttl. A node
    of C# FreeIM does not.
    """
    with open_client(texts) as client:
        if as_json:
            _follow_json(client, once, interval)
        elif once:
            print_table(HEAD, _rows(client))
        else:
            _follow(client, interval)


def _follow_json(client: ImClient, once: bool, interval: float) -> None:
    try:
        while True:
            states = read_nodes(client.redis, client.wire)
            print_json([one.as_dict() for one in states])
            if once:
                return
            time.sleep(interval)
    except KeyboardInterrupt:
        return


def _follow(client: ImClient, interval: float) -> None:
    try:
        from rich.live import Live
    except ImportError as error:
        problem = missing_extra("freeim top", "cli", error)
        raise SystemExit(f"freeim: {problem}; or give --once") from error
    try:
        with Live(_table(_rows(client)), auto_refresh=False) as live:
            while True:
                time.sleep(interval)
                live.update(_table(_rows(client)), refresh=True)
    except KeyboardInterrupt:
        return


def _table(rows: list[Row]) -> Any:
    from rich.table import Table

    numbers = Row.__annotations__
    table = Table(caption=time.strftime("%H:%M:%S"))
    for title, kind in zip(HEAD, numbers.values()):
        # Annotations are texts here.
        right = getattr(kind, "__forward_arg__", kind) in ("int", "float")
        table.add_column(title, justify="right" if right else "left", no_wrap=True)
    for row in rows:
        style = {"": "", "draining": "yellow"}.get(row.state, "red")
        table.add_row(*(str(cell) for cell in row), style=style)
    return table


def _rows(client: ImClient) -> list[Row]:
    states = read_nodes(client.redis, client.wire)
    rows = [_row(one, time.time()) for one in states]
    total = Row(
        f"{len(rows)} in all",
        "",
        "",
        sum(one.sockets for one in rows),
        round(sum(one.in_per_second for one in rows), 1),
        round(sum(one.out_per_second for one in rows), 1),
        sum(one.queued for one in rows),
        max((one.lag_ms for one in rows), default=0.0),
        sum(one.gaps for one in rows),
        min((one.lease for one in rows), default=0.0),
        "",
        "",
    )
    return [*rows, total]


def _row(state: NodeState, now: float) -> Row:
    report = state.report or Report()
    return Row(
        state.node,
        f"{report.pid}@{report.host}",
        _duration(now - report.started) if report.started else "",
        report.sockets,
        round(report.messages_per_second, 1),
        round(report.frames_per_second, 1),
        report.outbox_bytes,
        round(report.hub_lag * 1000, 1),
        report.gaps,
        round(state.lease, 1),
        report.version,
        _state(state),
    )


def _state(state: NodeState) -> str:
    if not state.lease:
        return "dead"
    if state.report is None:
        return "says nothing"
    return "draining" if state.report.draining else ""


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if hours >= 48:
        return f"{hours / 24:.0f} d"
    return f"{hours:.0f} h" if minutes >= 120 else f"{minutes:.0f} min"
