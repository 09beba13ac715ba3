"""The arguments of `freeim doctor`."""

from __future__ import annotations

import argparse
from typing import Any, Mapping

from ..errors import ConfigurationError
from ..options import ImClientOptions, variable


__all__ = ["add_arguments", "run"]

#: Fields of `ImClientOptions` that say where tokens are, and what addresses look like.
HELPER_OPTIONS = (
    *("redis", "servers", "path_match", "dialect", "key_prefix", "public_url"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `run` reads."""
    parser.add_argument(
        "url",
        nargs="?",
        metavar="URL",
        help="the endpoint that pages ask for addresses",
    )
    parser.add_argument(
        "--token-from-redis",
        action="store_true",
        help="make the addresses here, for reserved clients, one for each node",
    )
    for name, text, _ in ImClientOptions.names():
        if name in HELPER_OPTIONS:
            flag = "--" + name.replace("_", "-")
            parser.add_argument(flag, metavar="…", help=f"{text} [{variable(name)}]")
    for flag, metavar, text in (
        ("--server", "NAME", "only this node, with --token-from-redis"),
        ("--method", "METHOD", "of the request to URL; default: POST, else GET"),
        ("--origin", "ORIGIN", "where pages come from; default: where URL is"),
        ("--ca", "FILE", "trust these certificates, in PEM"),
    ):
        parser.add_argument(flag, metavar=metavar, default="", help=text)
    for flag, metavar, text in (
        ("--data", "NAME=VALUE", "a field of the form that is sent to URL"),
        ("--header", "NAME:VALUE", "a header of the request to URL"),
    ):
        parser.add_argument(flag, metavar=metavar, action="append", help=text)
    for flag, default, text in (
        ("--timeout", 5.0, "what one step may take; default: 5"),
        ("--idle", 2.0, "how long to watch the socket at rest; default: 2"),
    ):
        parser.add_argument(
            flag, metavar="SECONDS", type=float, default=default, help=text
        )
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(parsed: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        ConfigurationError: if an argument or a variable cannot be used.
    """
    # Not before: its packages come with an extra that the helper does not need.
    from .command import doctor

    helper: dict[str, Any] = {}
    spelling: dict[str, str] = {}
    for name in HELPER_OPTIONS:
        given = getattr(parsed, name)
        helper[name] = given or environ.get(variable(name))
        spelling[name] = "--" + name.replace("_", "-") if given else variable(name)
    try:
        return doctor(
            parsed.url,
            token_from_redis=parsed.token_from_redis,
            helper=helper,
            server=parsed.server,
            method=parsed.method,
            data=_pairs("--data", parsed.data, "="),
            headers=_pairs("--header", parsed.header, ":"),
            origin=parsed.origin,
            ca=parsed.ca,
            timeout=parsed.timeout,
            idle=parsed.idle,
            json_output=parsed.json,
        )
    except ConfigurationError as error:
        raise error.renamed(spelling.get(error.name, error.name)) from error


def _pairs(flag: str, texts: list[str] | None, sign: str) -> dict[str, str]:
    pairs = {}
    for text in texts or []:
        name, found, value = text.partition(sign)
        if not found or not name.strip():
            raise ConfigurationError(flag, text, f"give NAME{sign}VALUE")
        pairs[name.strip()] = value.strip()
    return pairs
