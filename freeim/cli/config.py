"""`freeim check-config`: whether the options fit each other, Redis and the nodes."""

from __future__ import annotations

from typing import NamedTuple

import click

from ..client import ImClient
from ..options import ImClientOptions, RelayOptions
from ..status import NodeState, read_nodes
from .options import Texts, derived_options, json_option, read_options
from .output import print_json, print_table
from .statuses import Status
from .system import open_client


__all__ = ["check_config"]

OK, NOTE, FAULT = "ok", "note", "fault"

SAME = "give all parts the same"
SAME_LIST = "give all parts the same list in the same order"


class Finding(NamedTuple):
    """One thing that was looked at."""

    level: str
    text: str


@click.command("check-config")
@json_option
@derived_options(RelayOptions, ImClientOptions)
def check_config(as_json: bool, **texts: str | None) -> int:
    """Check the options of a relay and of the helper, Redis, and the nodes that run.

    The relay's are checked where `server` is given or servers name one node. Status 1
    if anything is at fault; notes are none.
    """
    findings = [*_options(texts)]
    with open_client(texts, sends=True) as client:
        findings += _redis(client)
        findings += _nodes(client)
    if as_json:
        print_json([one._asdict() for one in findings])
    else:
        print_table(("", ""), findings)
    faulty = any(one.level == FAULT for one in findings)
    return Status.FAILED if faulty else Status.OK


def _options(texts: Texts) -> list[Finding]:
    helper = read_options(ImClientOptions, texts)
    found = [Finding(OK, "the options of the helper can be used")]
    found += [Finding(NOTE, remark) for remark in helper.remarks]
    if texts["server"] or len(helper.servers) == 1:
        read_options(RelayOptions, texts)
        found.append(Finding(OK, "the options of the relay can be used"))
    else:
        text = "the options of a relay were not checked: no --server, FREEIM_SERVER"
        found.append(Finding(NOTE, text))
    return found


def _redis(client: ImClient) -> list[Finding]:
    version = client.redis.info("server")["redis_version"]
    found = [Finding(OK, f"Redis {version} answers")]
    major = int(str(version).partition(".")[0])
    if major < 5:
        found.append(Finding(FAULT, f"Redis {version} has no streams: take 5 or later"))
    elif major < 6:
        text = f"Redis {version} tells no changes: members are read for each batch"
        found.append(Finding(NOTE, text))
    return found


def _nodes(client: ImClient) -> list[Finding]:
    servers = client.options.servers
    states = read_nodes(client.redis, client.wire)
    living = [one for one in states if one.lease]
    found = [Finding(NOTE, f"{one.node} is dead") for one in states if not one.lease]
    for server in servers:
        processes = [one for one in living if one.server == server]
        heard = client.redis.pubsub_numsub(client.wire.server_channel(server))[0][1]
        found.append(_server(server, len(processes), heard))
    for one in living:
        found += _node(one, client.options)
    versions = sorted({one.report.version for one in living if one.report})
    if len(versions) > 1:
        found.append(Finding(NOTE, f"nodes have versions {', '.join(versions)}"))
    return found


def _server(server: str, processes: int, heard: int) -> Finding:
    if processes:
        return Finding(OK, f"{server}: {processes} process(es)")
    if heard:
        # C# FreeIM keeps no lease.
        return Finding(NOTE, f"{server}: {heard} subscriber(s), none of them ours")
    return Finding(NOTE, f"{server}: no relay runs; messages to its clients are lost")


def _node(state: NodeState, ours: ImClientOptions) -> list[Finding]:
    report = state.report
    if report is None:
        return []
    found = []
    for name, told, here, remedy in (
        ("servers", report.servers, ",".join(ours.servers), SAME_LIST),
        ("partition", report.partition, ours.partition, SAME),
    ):
        # Another version may not say it.
        if told and told != here:
            text = f"{state.node} was told {name}={told}, here it is {here}: {remedy}"
            found.append(Finding(FAULT, text))
    if report.draining:
        found.append(Finding(NOTE, f"{state.node} is draining"))
    return found
