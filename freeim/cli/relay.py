"""`freeim relay`; the only place that monkey-patches."""

from __future__ import annotations

import logging
import warnings

import click

from ..errors import ConfigurationError, missing_extra
from ..options import RelayOptions
from .options import Texts, derived_options, read_options, spell


__all__ = ["relay"]

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


@click.command()
@click.option(
    "--bind",
    metavar="HOST:PORT",
    envvar="FREEIM_BIND",
    help="Address to listen at; default: the name of this node.",
)
@click.option(
    "--log-level",
    envvar="FREEIM_LOG_LEVEL",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    help="What is logged; default: info.",
)
@derived_options(RelayOptions)
def relay(bind: str | None, log_level: str, **texts: str | None) -> None:
    """Run one relay node.

    It drains at SIGTERM; SIGINT and SIGQUIT end the drain at once.
    """
    logging.basicConfig(level=log_level.upper(), format=LOG_FORMAT)
    _serve(bind, texts)


def _serve(bind: str | None, texts: Texts) -> None:
    _patch()
    from ..relay_wsgi import create_relay_app
    from ..server import serve

    options = read_options(RelayOptions, texts)
    address = _address(bind or options.server)
    app = create_relay_app(options)
    try:
        app.relay.check()
    except ConfigurationError as error:
        if error.name not in texts:
            raise
        raise error.renamed(spell(error.name)) from error
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
