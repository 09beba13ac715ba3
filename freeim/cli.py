"""The command line: `freeim relay`, `freeim doctor`.

Exit status: 0 after a stop by signal, 1 if the doctor found a fault, 2 if an option
cannot be used.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings

from .doctor.arguments import add_arguments, run
from .errors import ConfigurationError, missing_extra
from .options import RelayOptions, variable


__all__ = ["main"]

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    parsed = _parser().parse_args(arguments)
    log_level = getattr(parsed, "log_level", "warning")
    logging.basicConfig(level=log_level.upper(), format=LOG_FORMAT)
    try:
        if parsed.command == "doctor":
            return run(parsed, os.environ)
        _relay(parsed)
    except ConfigurationError as error:
        print(f"freeim: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="freeim", description="FreeIM for Python")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    relay = commands.add_parser(
        "relay",
        help="run one relay node",
        description="Runs one relay node. Each option can be set by its variable, too.",
    )
    relay.add_argument(
        "--bind",
        metavar="HOST:PORT",
        help="address to listen at; default: the name of this node",
    )
    relay.add_argument(
        "--log-level",
        default="info",
        choices=["debug", "info", "warning", "error"],
        help="what is logged; default: info",
    )
    for name, text, default in RelayOptions.names():
        shown = f"; default: {default}" if default not in ("", ()) else ""
        relay.add_argument(
            _flag(name), metavar="…", help=f"{text} [{variable(name)}{shown}]"
        )
    doctor_parser = commands.add_parser(
        "doctor", help="find the hop that fails between a page and its messages"
    )
    add_arguments(doctor_parser)
    return parser


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _relay(parsed: argparse.Namespace) -> None:
    _patch()
    from .relay_wsgi import create_relay_app
    from .server import serve

    spelling: dict[str, str] = {}
    texts: dict[str, str | None] = {}
    for name, *_ in RelayOptions.names():
        texts[name] = getattr(parsed, name)
        spelling[name] = _flag(name)
        if texts[name] is None:
            texts[name] = os.environ.get(variable(name)) or None
            spelling[name] = variable(name)
    options = RelayOptions.from_texts(texts, spelling.__getitem__)
    address = _address(parsed.bind or options.server)
    app = create_relay_app(options)
    try:
        app.relay.check()
    except ConfigurationError as error:
        raise error.renamed(spelling.get(error.name, error.name)) from error
    serve(app, address)


def _patch() -> None:
    """Makes this process a gevent one, before the relay is imported."""
    try:
        from gevent import monkey
    except ImportError as error:
        raise SystemExit(
            f"freeim: {missing_extra('freeim relay', 'relay', error)}"
        ) from error
    with warnings.catch_warnings():
        # redis.asyncio took a name from ssl already; nothing here uses it.
        warnings.simplefilter("ignore", monkey.MonkeyPatchWarning)
        monkey.patch_all()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    try:
        number = int(port)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 16:
        remedy = "give --bind HOST:PORT, such as 0.0.0.0:6001"
        raise ConfigurationError("--bind", text, remedy)
    return host.strip("[]"), number
