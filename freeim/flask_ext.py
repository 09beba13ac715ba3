"""A Flask extension: one `ImClient` for each application, set up from its config."""

from __future__ import annotations

from typing import Any

from .client import ImClient
from .errors import ConfigurationError, missing_extra
from .options import ImClientOptions, variable


try:
    from flask import Flask, current_app
except ImportError as error:
    raise missing_extra("freeim.flask_ext", "flask", error) from error


__all__ = ["FreeIM"]

#: Where an application keeps its client: `app.extensions["freeim"]`.
NAME = "freeim"


class FreeIM:
    """`FreeIM(app)`, or `init_app` in an application factory.

    The extension keeps no application: one instance serves several.
    """

    def __init__(self, app: Flask | None = None, **options: Any) -> None:
        """Takes fields of `ImClientOptions` as defaults for the config's."""
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
        if NAME in app.extensions:
            raise RuntimeError(
                "this application has a FreeIM extension already: import that instance"
            )
        options = dict(self._options)
        for name, *_ in ImClientOptions.names():
            if variable(name) in app.config:
                options[name] = app.config[variable(name)]
        try:
            app.extensions[NAME] = ImClient(ImClientOptions(**options))
        except ConfigurationError as error:
            raise error.renamed(variable(error.name)) from error

    @property
    def client(self) -> ImClient:
        """The client of the application at work.

        Raises:
            RuntimeError: outside an application's context, or before `init_app`.
        """
        client = current_app.extensions.get(NAME)
        if not isinstance(client, ImClient):
            raise RuntimeError("call FreeIM().init_app(app) first")
        return client
