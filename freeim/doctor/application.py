"""Asks the application for a WebSocket's address, as its page does."""

from __future__ import annotations

import contextlib
import http.client
import ssl
from dataclasses import dataclass, field
from typing import Mapping
from urllib.parse import urlencode, urlsplit

from ..errors import ConfigurationError
from .answers import address_in, kind_of_connect_error, kind_of_tls_error
from .findings import Fault


__all__ = ["Question"]

HOP = "application"


@dataclass(frozen=True)
class Question:
    """A request to the application's endpoint for addresses."""

    url: str
    #: Empty: POST, and GET if the endpoint wants that.
    method: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        try:
            # Reading the port raises where it is none.
            usable = parts.port != 0 and parts.hostname
        except ValueError:
            usable = None
        if not usable or parts.scheme not in ("http", "https"):
            remedy = "give the http:// or https:// URL that the page asks for addresses"
            raise ConfigurationError("URL", self.url, remedy)

    @property
    def origin(self) -> str:
        """The origin of pages of the application, if it serves its own."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def ask(self, context: ssl.SSLContext, timeout: float) -> tuple[str, str]:
        """Returns the address that the application gives, and what was seen.

        Raises:
            Fault: if it gives none.
        """
        for method in [self.method] if self.method else ["POST", "GET"]:
            status, body = self._request(method, context, timeout)
            if status != 405:
                break
        seen = f"{method} {self.url} answered {status}"
        if not 200 <= status < 300:
            kind = "login" if status in (401, 403) else "status"
            kind = "redirect" if 300 <= status < 400 else kind
            raise Fault(HOP, kind, seen, status=status)
        try:
            address = address_in(body)
        except ValueError as error:
            raise Fault(HOP, "not_json", f"{seen}, but no JSON object") from error
        if address is None:
            raise Fault(HOP, "no_address", f"{seen}, without 'server' or 'url'")
        return address, seen

    def _request(
        self, method: str, context: ssl.SSLContext, timeout: float
    ) -> tuple[int, bytes]:
        parts = urlsplit(self.url)
        # Not urllib's opener: it would ask the proxy that the environment may name.
        link: http.client.HTTPConnection
        host, port = str(parts.hostname), parts.port
        if parts.scheme == "https":
            link = http.client.HTTPSConnection(
                host, port, timeout=timeout, context=context
            )
        else:
            link = http.client.HTTPConnection(host, port, timeout=timeout)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        body = None
        headers = {"Accept": "application/json", **self.headers}
        if method != "GET":
            body = urlencode(self.data)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        with contextlib.closing(link):
            try:
                link.request(method, target, body, headers)
                answer = link.getresponse()
                return answer.status, answer.read()
            except ssl.SSLError as error:
                kind = f"tls_{kind_of_tls_error(error)}"
                kind = kind if kind == "tls_not_tls" else "tls"
                seen = f"{self.url}: {error}"
                raise Fault(HOP, kind, seen, host=host) from error
            except http.client.HTTPException as error:
                seen = f"{self.url} does not answer HTTP ({error!r})"
                raise Fault(HOP, "not_http", seen) from error
            except OSError as error:
                kind = kind_of_connect_error(error)
                seen = f"{self.url}: {error}"
                raise Fault(HOP, kind, seen, host=host) from error
