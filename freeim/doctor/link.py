"""The way to a relay, one layer at a time: name, connection, TLS, WebSocket."""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
import time
from typing import Any, Callable, Iterator

from ..errors import missing_extra


try:
    from wsproto import ConnectionType, WSConnection
    from wsproto.events import (
        AcceptConnection,
        CloseConnection,
        Event,
        Ping,
        Pong,
        RejectConnection,
        RejectData,
        Request,
        TextMessage,
    )
    from wsproto.utilities import LocalProtocolError, RemoteProtocolError
except ImportError as error:  # pragma: no cover
    raise missing_extra("freeim doctor", "relay", error) from error

from .address import Address
from .answers import (
    kind_of_connect_error,
    kind_of_garbage,
    kind_of_refusal,
    kind_of_tls_error,
)
from .findings import Fault


__all__ = ["Ended", "Link", "connect", "encrypt", "resolve", "since"]

#: Bytes of an answer that are looked at to tell what it is.
SHOWN = 4096

Endpoint = Any


class Ended(Exception):
    """The socket ended; `code` is None if no close frame came."""

    def __init__(self, code: int | None, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        if self.code is None:
            return f"the connection ended without a close frame ({self.text})"
        return f"closed with {self.code} {self.text!r}"


def resolve(host: str, port: int) -> list[Endpoint]:
    """Asks for the addresses of a host.

    Raises:
        Fault: if there are none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        seen = f"no address for {host!r}: {error}"
        raise Fault("dns", "unknown", seen, host=host) from error
    return [(family, endpoint) for family, _, _, _, endpoint in found]


def connect(
    endpoints: list[Endpoint], timeout: float
) -> tuple[socket.socket, list[str]]:
    """Connects to the first endpoint that answers, and tells of each what it did.

    Raises:
        Fault: if none answers.
    """
    seen: list[str] = []
    for family, endpoint in endpoints:
        where = _where(endpoint)
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        begun = time.monotonic()
        try:
            sock.connect(endpoint)
        except OSError as error:
            sock.close()
            last = error
            seen.append(f"{where}: {error.strerror or error}")
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        seen.append(f"{where} connected in {since(begun)}")
        return sock, seen
    kind = kind_of_connect_error(last)
    raise Fault("tcp", kind, "; ".join(seen), where=where, port=endpoint[1])


def encrypt(
    sock: socket.socket, host: str, context: ssl.SSLContext
) -> tuple[ssl.SSLSocket, str]:
    """Speaks TLS on a connection; closes it if that fails.

    Raises:
        Fault: if it fails, with what is wrong with the certificate.
    """
    begun = time.monotonic()
    try:
        secure = context.wrap_socket(sock, server_hostname=host)
    except OSError as error:
        sock.close()
        reason = getattr(error, "verify_message", "") or str(error)
        kind = kind_of_tls_error(error)
        raise Fault("tls", kind, f"no TLS: {reason}", host=host) from error
    return secure, f"{secure.version()}, certificate good for {host}, {since(begun)}"


class Link:
    """A WebSocket on a connection, as a browser would use it."""

    def __init__(self, sock: socket.socket, timeout: float) -> None:
        """Takes a connection, and the seconds that an answer may take."""
        self._sock = sock
        self._timeout = timeout
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._events: Iterator[Event] = iter(())
        #: The start of the answer, for who finds that it is not HTTP.
        self._head = b""
        self._text = ""
        #: Pings of the relay that were answered.
        self.pings = 0

    def close(self) -> None:
        """Closes the connection, whatever it is doing."""
        self._sock.close()

    def open(self, address: Address, origin: str) -> str:
        """Shakes hands.

        Raises:
            Fault: if the answer is anything but a 101.
        """
        begun = time.monotonic()
        headers = [(b"Origin", origin.encode())] if origin else []
        request = Request(
            host=address.authority,
            target=address.target,
            extra_headers=[(b"User-Agent", b"freeim-doctor"), *headers],
        )
        try:
            self.send(request)
            event = self._next(begun + self._timeout)
        except (Ended, RemoteProtocolError) as error:
            kind = kind_of_garbage(self._head)
            what = repr(self._head[:40]) if self._head else "nothing"
            seen = f"answered {what}, which is not HTTP ({error})"
            raise Fault("upgrade", kind, seen, authority=address.authority) from error
        if isinstance(event, AcceptConnection):
            return f"101 in {since(begun)}"
        if isinstance(event, RejectConnection):
            raise self._refused(event, address)
        seen = f"no answer within {self._timeout:g} s"
        raise Fault("upgrade", "silent", seen, authority=address.authority)

    def _refused(self, answer: RejectConnection, address: Address) -> Fault:
        body = b""
        with contextlib.suppress(Ended, RemoteProtocolError):
            end = time.monotonic() + self._timeout
            while answer.has_body and len(body) < SHOWN:
                event = self._next(end)
                if not isinstance(event, RejectData):
                    break
                body += event.data
                if event.body_finished:
                    break
        names = {
            bytes(k).lower(): bytes(v).decode("latin-1") for k, v in answer.headers
        }
        server = names.get(b"server", "")
        seen = f"answered {answer.status_code}"
        seen += f" (Server: {server})" if server else ""
        hop, kind = kind_of_refusal(answer.status_code, body)
        return Fault(
            hop,
            kind,
            seen,
            status=answer.status_code,
            location=names.get(b"location", ""),
            authority=address.authority,
            path=address.target.partition("?")[0],
        )

    def send(self, event: Event) -> None:
        """Sends a message, a ping or a close frame.

        Raises:
            Ended: if the socket is gone.
        """
        try:
            self._sock.sendall(self._protocol.send(event))
        except (OSError, LocalProtocolError) as error:
            raise Ended(None, str(error)) from error

    def wait(self, wanted: Callable[[Event], bool], seconds: float) -> Event | None:
        """Waits for an event, answering pings; None if it does not come in time.

        Raises:
            Ended: if the socket ends before.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                event = self._next(deadline)
            except RemoteProtocolError as error:
                raise Ended(None, f"not a WebSocket frame: {error}") from error
            if event is None:
                return None
            if isinstance(event, Ping):
                self.pings += 1
                self.send(event.response())
            elif isinstance(event, CloseConnection):
                code = None if event.code == 1006 else int(event.code)
                raise Ended(code, event.reason or "")
            elif isinstance(event, TextMessage):
                event = self._whole(event)
            if event is not None and wanted(event):
                return event

    def round_trip(self, hop: str, kind: str) -> float:
        """Returns the seconds until a ping was answered.

        Raises:
            Fault: of this hop and kind, if it is not.
            Ended: if the socket ends before.
        """
        payload = secrets.token_bytes(8)
        begun = time.monotonic()
        self.send(Ping(payload=payload))
        answer = self.wait(
            lambda event: isinstance(event, Pong) and bytes(event.payload) == payload,
            self._timeout,
        )
        if answer is None:
            seen = f"a ping was not answered within {self._timeout:g} s"
            raise Fault(hop, kind, seen)
        return time.monotonic() - begun

    def _whole(self, part: TextMessage) -> TextMessage | None:
        self._text += part.data
        if not part.message_finished:
            return None
        text, self._text = self._text, ""
        return TextMessage(data=text)

    def _next(self, deadline: float) -> Event | None:
        while True:
            for event in self._events:
                return event
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._sock.settimeout(left)
            try:
                data = self._sock.recv(65536)
            except socket.timeout:
                return None
            except OSError as error:
                raise Ended(None, str(error)) from error
            if not data:
                raise Ended(None, "closed by the other side")
            self._head = (self._head + data)[:SHOWN]
            self._protocol.receive_data(data)
            self._events = self._protocol.events()


def _where(endpoint: Any) -> str:
    host, port = endpoint[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def since(begun: float) -> str:
    """Returns the time since then, for people."""
    return f"{(time.monotonic() - begun) * 1000:.1f} ms"
