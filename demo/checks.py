"""What must be true before the demo starts anything.

Only the standard library is imported here, so that a missing package ends in one
line that says how to install it.
"""

from __future__ import annotations

import errno
import socket
from contextlib import closing
from importlib.util import find_spec


#: What `freeim[demo]` installs and the demo cannot do without.
PACKAGES = (
    "flask",
    "gevent",
    "geventwebsocket",
    "gunicorn",
    "hiredis",
    "prometheus_client",
    "redis",
    "sqlalchemy",
    "wsproto",
)


class SetupError(Exception):
    """The demo cannot start here; the text is one line that says what to do."""


def check_packages() -> None:
    """Refuses to go on without the packages of the demo extra."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise SetupError(
            f"{', '.join(missing)} not installed: pip install 'freeim[demo]' "
            "(in a checkout: pip install -e '.[demo]')"
        )


def check_port(host: str, port: int, option: str) -> None:
    """Refuses a port that cannot be listened on, naming the option to change."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise SetupError(f"--host {host}: {error.strerror}") from error
    with closing(socket.socket(family, kind, protocol)) as listener:
        # As gunicorn does: connections of an earlier run that linger do not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                reason = f"--host {host}: not an address of this machine"
                raise SetupError(reason) from error
            raise SetupError(
                f"port {port} on {host} cannot be used ({error.strerror.lower()}): "
                f"stop what uses it, or choose another with {option}"
            ) from error


def key_prefix(url: str) -> str:
    """Returns what the demo's keys begin with: a Redis Cluster needs a hash tag."""
    return "{im}:" if "+cluster://" in url else ""


def check_redis(url: str) -> None:
    """Refuses a Redis that does not answer; its password is never shown."""
    from freeim.errors import ConfigurationError
    from freeim.redis_client import check_redis, open_redis

    try:
        client = open_redis(
            url, connect_timeout=2, timeout=2, key_prefix=key_prefix(url)
        )
    except ConfigurationError as error:
        # The value may be a password and nothing else, so it is not passed on.
        reason = f"--redis is not the URL of a Redis: {error.remedy}"
        raise SetupError(reason) from error
    with closing(client):
        try:
            check_redis(client, url)
        except ConfigurationError as error:
            reason = f"{error.renamed('--redis')}, or leave --redis out"
            raise SetupError(reason) from error
