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

#: Signals that leave no time to drain.
AT_ONCE = (signal.SIGINT, signal.SIGQUIT)

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
    """Serves until SIGTERM, then drains; SIGINT or SIGQUIT end the drain at once.

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

    def stop_at_once() -> None:
        stopping.set()
        app.stop(hurry=True)

    gevent.signal_handler(signal.SIGTERM, stopping.set)
    for number in AT_ONCE:
        gevent.signal_handler(number, stop_at_once)
    app.start()
    logger.info("= listening at %s:%d", *address)
    stopping.wait()
    server.close()
    app.stop()
