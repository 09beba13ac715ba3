"""The command that finds the hop that fails between a page and its messages."""

from __future__ import annotations

from typing import Any

import click

from ..errors import ConfigurationError
from ..options import ImClientOptions
from .options import derived_options, json_option, spell


__all__ = ["doctor"]

#: Fields of `ImClientOptions` that say where tokens are, and what addresses look like.
HELPER_OPTIONS = {
    *("redis", "servers", "path_match", "dialect", "key_prefix", "partition"),
    "public_url",
}


@click.command()
@click.argument("url", required=False)
@click.option(
    "--token-from-redis",
    is_flag=True,
    help="Make the addresses here, for reserved clients, one for each node.",
)
@derived_options(ImClientOptions, only=HELPER_OPTIONS)
@click.option("--server", default="", help="Only this node, with --token-from-redis.")
@click.option(
    "--method", default="", help="Of the request to URL; default: POST, else GET."
)
@click.option(
    "--origin", default="", help="Where pages come from; default: where URL is."
)
@click.option("--ca", default="", metavar="FILE", help="Trust these PEM certificates.")
@click.option(
    "--data",
    multiple=True,
    metavar="NAME=VALUE",
    help="A field of the form that is sent to URL.",
)
@click.option(
    "--header",
    multiple=True,
    metavar="NAME:VALUE",
    help="A header of the request to URL.",
)
@click.option(
    "--timeout", default=5.0, show_default=True, help="Seconds that a step may take."
)
@click.option(
    "--idle", default=2.0, show_default=True, help="Seconds to watch a socket at rest."
)
@json_option
def doctor(
    url: str | None,
    token_from_redis: bool,
    data: tuple[str, ...],
    header: tuple[str, ...],
    as_json: bool,
    **others: Any,
) -> int:
    """Walk from a page's question to the close code, and say which hop fails and why.

    URL is the endpoint that pages ask for the address of their WebSocket.
    """
    # Not before: its packages come with an extra that the other commands do not need.
    from ..doctor.command import doctor as examine

    helper = {name: others.pop(name) for name in HELPER_OPTIONS}
    try:
        return examine(
            url,
            token_from_redis=token_from_redis,
            helper=helper,
            data=_pairs("--data", data, "="),
            headers=_pairs("--header", header, ":"),
            json_output=as_json,
            **others,
        )
    except ConfigurationError as error:
        named = spell(error.name) if error.name in HELPER_OPTIONS else error.name
        raise error.renamed(named) from error


def _pairs(flag: str, texts: tuple[str, ...], sign: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, found, value = text.partition(sign)
        if not found or not name.strip():
            raise ConfigurationError(flag, text, f"give NAME{sign}VALUE")
        pairs[name.strip()] = value.strip()
    return pairs
