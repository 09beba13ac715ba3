"""A Flask extension: `ImClient`s of an application, set up from its config."""

from __future__ import annotations

from typing import Any, Callable

from . import checks
from .atomic import Atomic
from .client import ImClient
from .errors import ConfigurationError, missing_extra
from .options import ImClientOptions, variable


try:
    from flask import Flask, current_app, request
    from flask.wrappers import Response
except ImportError as error:
    raise missing_extra("freeim.flask_ext", "flask", error) from error


__all__ = ["FreeIM", "config_keys"]

#: Where an application keeps its client: `app.extensions["freeim"]`. One of a system
#: with a name of its own is at `app.extensions["freeim.NAME"]`.
NAME = "freeim"

#: (name, help text, default) of what is the extension's, not the client's.
OWN = [
    (
        "send_after_request",
        "a request's messages leave together when it succeeded: on or off",
        False,
    ),
]

#: The first HTTP status of an answer that says that a request did not succeed.
FAILED = 400


def config_keys(bind: str = "") -> list[tuple[str, str, Any]]:
    """Returns (key of `app.config`, help text, default) of everything to be set."""
    return [
        (_key(bind, name), text, default)
        for name, text, default in [*ImClientOptions.names(), *OWN]
    ]


class FreeIM:
    """`FreeIM(app)`, or `init_app` in an application factory.

    The extension keeps no application: one instance serves several. An application that
    talks to several systems has an instance for each, all but one with a `bind`.
    """

    def __init__(
        self, app: Flask | None = None, *, bind: str = "", **options: Any
    ) -> None:
        """Takes fields of `ImClientOptions`, as defaults for the config's.

        Args:
            bind: name of the system among several, which stands in the keys of the
                config: `FREEIM_SUPPORT_REDIS` of the system "support".
            options: `send_after_request`, too: see `docs/recipes/flask.md`.
        """
        self._bind = bind
        self._name = f"{NAME}.{bind}" if bind else NAME
        self._options = options
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Gives an application its client.

        Reads `FREEIM_REDIS`, `FREEIM_SERVERS` and so on from `app.config`: a key for
        each field of `ImClientOptions`. The config wins over the constructor.

        Raises:
            ConfigurationError: naming the key that cannot be used.
            RuntimeError: if the application has a client already.
        """
        if self._name in app.extensions:
            raise RuntimeError(
                f"this application has a FreeIM extension {self._bind!r} already: "
                "import that instance, or give this one another bind"
            )
        options = {**{name: default for name, _, default in OWN}, **self._options}
        for name, *_ in [*ImClientOptions.names(), *OWN]:
            if _key(self._bind, name) in app.config:
                options[name] = app.config[_key(self._bind, name)]
        try:
            after_request = _switch("send_after_request", options)
            client = ImClient(ImClientOptions(**options))
        except ConfigurationError as error:
            raise error.renamed(_key(self._bind, error.name)) from error
        app.extensions[self._name] = client
        if after_request:
            self._send_after_request(app, client)

    @property
    def client(self) -> ImClient:
        """The client of the application at work.

        Raises:
            RuntimeError: outside an application's context, or before `init_app`.
        """
        client = current_app.extensions.get(self._name)
        if not isinstance(client, ImClient):
            raise RuntimeError("call FreeIM().init_app(app) first")
        return client

    def _send_after_request(self, app: Flask, client: ImClient) -> None:
        """Has each request of an application be one block of its client."""
        kept = f"{self._name}.block"

        def begin() -> None:
            # Alone: a block that some other extension's fault left open keeps nothing
            # of this request.
            block = Atomic(client, alone=True)
            block.__enter__()
            request.environ[kept] = block

        def end(response: Response) -> Response:
            block = request.environ.pop(kept, None)
            if block is not None:
                if response.status_code >= FAILED:
                    block.discard()
                block.__exit__(None, None, None)
            return response

        def drop(error: BaseException | None) -> None:
            block = request.environ.pop(kept, None)
            if block is not None:
                block.discard()
                block.__exit__(None, None, None)

        # Flask runs what comes after a request in reverse order: this is the last.
        app.before_request(begin)
        app.after_request(end)
        app.teardown_request(drop)


def _key(bind: str, name: str) -> str:
    return variable(f"{bind}_{name}" if bind else name)


def _switch(name: str, options: dict[str, Any]) -> bool:
    value = options.pop(name)
    check: Callable[[Any], bool] = checks.switch
    try:
        return check(value)
    except ValueError as error:
        raise ConfigurationError(name, value, str(error)) from error
