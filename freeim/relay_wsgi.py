"""The relay as a WSGI application: `gunicorn -k gevent freeim.relay_wsgi:app`.

`app` is made of the `FREEIM_…` variables when a server asks for it. Beside the socket's
path it answers `/healthz`, `/readyz` and `/metrics`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from functools import lru_cache
from typing import Any, Callable, Iterable, Mapping, Tuple

from .errors import ConfigurationError, missing_extra
from .options import RelayOptions, variable


try:
    from gevent.lock import BoundedSemaphore

    from .gunicorn_worker import BOOT_ERROR, GunicornWorker
    from .relay.access_log import log_refusal
    from .relay.metrics import CONTENT_TYPE, FOLDER
    from .relay.relay import Relay
    from .relay.transport import Door, Transport, find_door
    from .websocket.address import Proxies, Visitor
    from .websocket.frames import CloseReason, close_frame
    from .websocket.handshake import SUBPROTOCOL, Refusal, check_upgrade
except ImportError as error:
    if (error.name or "").startswith("freeim"):
        raise
    raise missing_extra("freeim.relay_wsgi", "relay", error) from error


__all__ = ["RelayApp", "create_relay_app"]

logger = logging.getLogger(__name__)

StartResponse = Callable[..., Any]
Answer = Tuple[str, str, bytes]

TEXT = "text/plain; charset=utf-8"

#: Whose X-Forwarded-For is believed if nobody says otherwise: this machine's.
LOCAL_PROXIES = ("127.0.0.1", "::1")

#: The share of a worker's connections that may be waiting for their handshake: the
#: rest is for `/healthz`, and for telling others to come later.
WAITING_SHARE = 0.9

#: Thousands of sockets come from one page, and some from one address: they share it.
_shared_visitor = lru_cache(maxsize=4096)(Visitor)

NO_DOOR = Refusal(
    "500 Internal Server Error",
    "this server does not hand its sockets over: run the relay with "
    "'gunicorn -k gevent' or 'freeim relay'",
    CloseReason.INTERNAL_ERROR,
)


class RelayApp:
    """A relay behind its WebSocket path, and its state behind three others."""

    def __init__(self, relay: Relay) -> None:
        """Stores the relay; the first request starts it if `start` was not called."""
        self.relay = relay
        self._made_in = os.getpid()
        self._started = False
        #: Making a relay may yield to the hub, and several requests may be the first.
        self._starting = BoundedSemaphore()
        self._origins = frozenset(relay.options.allowed_origins)
        self._proxies = Proxies(relay.options.forwarded_allow_ips or LOCAL_PROXIES)
        self._pages: dict[str, Callable[[], Answer]] = {
            "/healthz": self._health,
            "/readyz": self._readiness,
            "/metrics": self._metrics,
        }

    def start(self) -> None:
        """Starts the relay in this process, once; in a gunicorn worker it ends with it.

        Raises:
            ConfigurationError: if the process was not monkey-patched by gevent.
        """
        if not self._started:
            with self._starting:
                self._start()

    def _start(self) -> None:
        if self._started:
            return
        if self._made_in != os.getpid():
            # gunicorn --preload: a node's identity must not be shared by the workers.
            self.relay = Relay(self.relay.options)
        worker = GunicornWorker.find()
        if worker is not None:
            self._adapt_to(worker)
        self.relay.start()
        self._started = True
        if worker is not None:
            worker.stop_with(self)
            if worker.speaks_for > 1 and FOLDER not in os.environ:
                logger.warning(
                    "= /metrics shows the one of %d workers that answers: name a "
                    "folder in %s in which they count together",
                    worker.speaks_for,
                    FOLDER,
                )

    def _adapt_to(self, worker: GunicornWorker) -> None:
        if not self.relay.options.forwarded_allow_ips:
            self._proxies = Proxies(worker.forwarded_allow_ips)
        self.relay.gate.caps.at_once = max(1, int(worker.connections * WAITING_SHARE))

    def stop(self, hurry: bool = False) -> None:
        """Drains the relay if it was started; see `Relay.stop`."""
        if self._started:
            self.relay.stop(hurry)

    def __call__(
        self, environ: Mapping[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        self.start()
        path = environ.get("PATH_INFO", "")
        if path == self.relay.options.path_match:
            return self._socket(environ, start_response)
        if path in self._pages:
            return _answer(start_response, *self._pages[path]())
        return _answer(start_response, "404 Not Found", TEXT, b"not found\n")

    def _socket(
        self, environ: Mapping[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        door = find_door(environ)
        visitor = self._visitor(environ)
        upgrade = check_upgrade(
            environ, self.relay.options.compress, origins=self._origins
        )
        if isinstance(upgrade, Refusal):
            return self._refuse(upgrade, door, visitor, start_response)
        if door is None:
            return self._refuse(NO_DOOR, door, visitor, start_response)
        admission = self.relay.admit(upgrade.token, visitor)
        if isinstance(admission, Refusal):
            return self._refuse(admission, door, visitor, start_response)
        try:
            transport = door.take()
        except OSError as error:
            self.relay.gate.leave(visitor)
            logger.debug("! socket is gone already: %s", error)
            return door.leave()
        # Where the 101 is out already, nothing was agreed to.
        deflates = upgrade.deflates and not door.upgraded
        head = b"" if door.upgraded else upgrade.response()
        connection = self.relay.open(transport, admission, head, deflates)
        if transport.borrowed:
            connection.wait()
        return door.leave()

    def _visitor(self, environ: Mapping[str, Any]) -> Visitor:
        origin = environ.get("HTTP_ORIGIN", "")
        return _shared_visitor(self._proxies.address(environ), origin)

    def app_protocol(self, path: str) -> str:
        """Returns the sub-protocol that gevent-websocket's worker may select."""
        return SUBPROTOCOL

    def _refuse(
        self,
        refusal: Refusal,
        door: Door | None,
        visitor: Visitor,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        log_refusal(refusal, visitor)
        self.relay.metrics.count_refusal(refusal)
        if door is not None and door.upgraded:
            # Too late for a status: the 101 is out.
            _close(door.take(), refusal)
            return door.leave()
        body = refusal.text.encode() + b"\n"
        return _answer(start_response, refusal.status, TEXT, body, refusal.headers)

    def _health(self) -> Answer:
        return "200 OK", TEXT, b"alive\n"

    def _readiness(self) -> Answer:
        if self.relay.ready:
            return "200 OK", TEXT, b"ready\n"
        return "503 Service Unavailable", TEXT, b"not ready\n"

    def _metrics(self) -> Answer:
        return "200 OK", CONTENT_TYPE, self.relay.metrics.exposition()


def _close(transport: Transport, refusal: Refusal) -> None:
    with contextlib.suppress(OSError):
        transport.send(close_frame(refusal.close.code, refusal.close.text))
    transport.close()


def create_relay_app(options: RelayOptions) -> RelayApp:
    """Returns a relay as a WSGI application; the first request starts it."""
    return RelayApp(Relay(options))


def _answer(
    start_response: StartResponse,
    status: str,
    content_type: str,
    body: bytes,
    headers: Iterable[tuple[str, str]] = (),
) -> list[bytes]:
    start_response(
        status,
        [
            ("Content-Type", content_type),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            *headers,
        ],
    )
    return [body]


def _app_from_environment() -> RelayApp:
    worker = GunicornWorker.find()
    try:
        app = create_relay_app(RelayOptions.from_env(os.environ))
        # A worker that replaces another must come up although Redis is away just then:
        # if it did not, gunicorn would end the workers that still hold sockets.
        if worker is None or not worker.is_replacement:
            app.relay.check()
        # With --preload this is the master: each worker starts at its first request.
        if worker is not None:
            app.start()
    except ConfigurationError as error:
        options = {name for name, *_ in RelayOptions.names()}
        if error.name in options:
            error = error.renamed(variable(error.name))
        print(f"freeim: {error}", file=sys.stderr, flush=True)
        status = 2 if worker is None else BOOT_ERROR
        raise SystemExit(status) from error
    return app


def __getattr__(name: str) -> Any:
    # Made on demand: importing this module reads no environment and connects nothing.
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()["app"] = app = _app_from_environment()
    return app
