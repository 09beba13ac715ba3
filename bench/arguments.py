"""The command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.settings import RELAY, SUBJECTS, Settings
from demo.__main__ import port_number


#: Sockets and nodes of a crowd, unless others are given.
CROWD_SOCKETS, CROWD_NODES = 50_000, 3


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    default = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures the relay beside two yardsticks in the same run: "
        "`limit`, a bare C loop with one send() for each frame, and `plain`, a relay "
        "as one would write it in an afternoon.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--plot",
        type=file,
        metavar="FILE",
        help="measure how cost grows instead, and draw it into this PNG",
    )
    what.add_argument(
        "--crowd",
        action="store_true",
        help=f"hold {CROWD_SOCKETS:,} sockets on {CROWD_NODES} nodes instead, and send "
        "to all of them",
    )
    for name, text in (
        ("sockets", f"clients, a socket each (default: {default.sockets})"),
        ("nodes", f"relay processes, a node each (default: {default.nodes})"),
    ):
        parser.add_argument(f"--{name}", type=positive, metavar="N", help=text)
    for name, text in (
        ("workers", "worker processes of a node, gunicorn's -w"),
        ("burst", "messages in a burst"),
        ("direct", "messages to one receiver each in a flood"),
        ("size", "bytes of a message"),
    ):
        parser.add_argument(
            f"--{name}",
            type=positive,
            default=getattr(default, name),
            metavar="N",
            help=f"{text} (default: %(default)s)",
        )
    parser.add_argument(
        "--seconds",
        type=positive,
        default=default.seconds,
        metavar="N",
        help="how long the latency of direct messages is measured (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--port",
        type=port_number,
        default=default.port,
        metavar="N",
        help="port of the first node, the others follow (default: %(default)s)",
    )
    parser.add_argument(
        "--runs",
        type=positive,
        default=1,
        metavar="N",
        help="show the medians of so many runs (default: %(default)s)",
    )
    parser.add_argument(
        "--only",
        type=subjects,
        default=SUBJECTS,
        metavar="NAME,NAME",
        help=f"measure some of {','.join(SUBJECTS)} only",
    )
    parser.add_argument(
        "--steps",
        type=numbers,
        metavar="N,N",
        help="numbers of sockets along the axis of --plot",
    )
    parser.add_argument(
        "--markdown",
        metavar="PAGE",
        help="also write the result into its block of a Markdown page",
    )
    parser.add_argument(
        "--json", type=file, metavar="FILE", help="also write all figures"
    )
    parser.add_argument(
        "command",
        nargs="*",
        default=list(RELAY),
        metavar="-- COMMAND",
        help="another relay; {server} in it becomes a node's address, {workers} the "
        f"number of --workers (default: {' '.join(RELAY[1:])})",
    )
    return parser.parse_args(arguments)


def settings_of(options: argparse.Namespace) -> Settings:
    """Returns what one measurement is told."""
    default = Settings()
    if options.crowd:
        default = Settings(sockets=CROWD_SOCKETS, nodes=CROWD_NODES)
    return Settings(
        sockets=options.sockets or default.sockets,
        nodes=options.nodes or default.nodes,
        workers=options.workers,
        burst=options.burst,
        direct=options.direct,
        size=options.size,
        seconds=options.seconds,
        port=options.port,
        relay=options.command,
    )


def positive(text: str) -> int:
    """Reads a number of something."""
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def numbers(text: str) -> list[int]:
    """Reads --steps."""
    return [positive(part) for part in text.split(",")]


def subjects(text: str) -> list[str]:
    """Reads --only."""
    names = text.split(",")
    unknown = [name for name in names if name not in SUBJECTS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"{unknown[0]!r} is none of {', '.join(SUBJECTS)}"
        )
    return [name for name in SUBJECTS if name in names]


def file(text: str) -> str:
    """Reads the name of a file to write, in a folder that is there."""
    if not Path(text).absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is in a folder that is not there")
    return text
