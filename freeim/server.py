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

#: For what cannot be read as a request.
BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)

#: Signals that leave no time to drain.
AT_ONCE = (signal.SIGINT, signal.SIGQUIT)

#: Seconds that a whole request head may take, the wait for its first byte included.
HEAD_TIMEOUT = 4.0

#: Seconds for the rest of a request that asks for no WebSocket: the relay's own pages
#: are short, and whoever sends a body, or reads slowly, waits for nothing of ours.
REQUEST_TIMEOUT = 15.0

#: Connections that the kernel keeps until they are accepted.
BACKLOG = 4096


class RelayHandler(WebSocketHandler):  # type: ignore[misc]
    """gevent-websocket's handler without its handshake.

    It would answer 101 before the application has seen the token.
    """

    def handle_one_request(self) -> Any:
        self.deadline = gevent.Timeout.start_new(HEAD_TIMEOUT)
        try:
            return super().handle_one_request()
        except gevent.Timeout as timeout:
            if timeout is not self.deadline:
                raise
            # Too slow for an answer, too: None closes the connection.
            return None
        finally:
            self.deadline.close()

    def get_environ(self) -> dict[str, Any]:
        # The head is there.
        self.deadline.close()
        self.deadline = gevent.Timeout.start_new(REQUEST_TIMEOUT)
        environ: dict[str, Any] = super().get_environ()
        environ[HANDLER] = self
        return environ

    def handle_error(self, kind: Any, error: Any, traceback: Any) -> None:
        """Reports an error, but not that a client was too slow."""
        if error is self.deadline:
            self.close_connection = True
        else:
            super().handle_error(kind, error, traceback)

    def _handle_client_error(self, error: Exception) -> tuple[str, bytes]:
        """Answers a request that cannot be read, which is nobody's fault but theirs."""
        logger.debug("! bad request from %s: %s", self.client_address, error)
        return "400", BAD_REQUEST

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
