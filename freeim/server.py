"""The relay with a server of its own: gevent's pywsgi, for `freeim relay`."""

from __future__ import annotations

import logging
import signal
from typing import Any

import gevent
from gevent.event import Event
from gevent.pywsgi import LoggingLogAdapter, WSGIServer
from geventwebsocket.handler import WebSocketHandler

from .errors import ConfigurationError
from .relay.transport import HANDLER
from .relay_wsgi import RelayApp


__all__ = ["serve"]

logger = logging.getLogger(__name__)

#: Connections that the kernel keeps until they are accepted.
BACKLOG = 4096


class RelayHandler(WebSocketHandler):  # type: ignore[misc]
    """gevent-websocket's handler without its handshake.

    It would answer 101 before the application has seen the token.
    """

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ[HANDLER] = self
        return environ

    def run_application(self) -> None:
        self.result = self.application(self.environ, self.start_response)
        if self.socket is not None:
            self.process_result()
        # A circle with the handler would keep both until the next collection.
        del self.environ[HANDLER]

    def log_request(self) -> None:
        """Says nothing: the request line holds the token."""


def serve(app: RelayApp, address: tuple[str, int]) -> None:
    """Serves until SIGTERM or SIGINT, then drains.

    Raises:
        ConfigurationError: if the address cannot be bound.
    """
    server = WSGIServer(
        address,
        app,
        handler_class=RelayHandler,
        log=None,
        error_log=LoggingLogAdapter(logger, logging.ERROR),
        backlog=BACKLOG,
    )
    try:
        server.start()
    except OSError as error:
        bound = f"{address[0]}:{address[1]}"
        remedy = f"choose an address that is free and this machine's own ({error})"
        raise ConfigurationError("--bind", bound, remedy) from error
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stopping.set)
    app.start()
    logger.info("= listening at %s:%d", *address)
    stopping.wait()
    server.close()
    app.stop()
