"""What can be set: one frozen dataclass for the helper, one for the relay.

Each field carries the function that checks it, which takes the text of an environment
variable or command line as well as a value from code. So the environment, the command
line and the table in the documentation are derived from the fields, never listed again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Callable, Mapping, TypeVar

from . import checks
from .errors import ConfigurationError
from .public_url import check_addresses
from .redis_url import has_hash_tag, read_url
from .wire import Wire


__all__ = ["ImClientOptions", "RelayOptions"]

DEFAULT_REDIS = "redis://127.0.0.1:6379/0"
DEFAULT_PUBLIC_URL = "ws://{server}{path}?token={token}"


def _option(check: Callable[[Any], Any], default: Any, text: str) -> Any:
    return field(default=default, metadata={"check": check, "help": text})


_Options = TypeVar("_Options", bound="_Checked")


class _Checked:
    """Checks each field of a dataclass by the function in its metadata."""

    def __post_init__(self) -> None:
        for item in fields(self):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            try:
                checked = item.metadata["check"](value)
            except ValueError as error:
                raise ConfigurationError(item.name, value, str(error)) from error
            object.__setattr__(self, item.name, checked)

    @classmethod
    def names(cls) -> list[tuple[str, str, Any]]:
        """Returns (field, help text, default) of each option, in order."""
        return [
            (item.name, item.metadata["help"], item.default)
            for item in fields(cls)  # type: ignore[arg-type]
        ]

    @classmethod
    def from_texts(
        cls: type[_Options],
        texts: Mapping[str, str | None],
        spell: Callable[[str], str],
    ) -> _Options:
        """Builds options from texts by field name; those that are None are left out.

        Args:
            spell: turns a field name into what the operator typed, for errors.

        Raises:
            ConfigurationError: if a text cannot be used.
        """
        given = {name: text for name, text in texts.items() if text is not None}
        try:
            return cls(**given)
        except ConfigurationError as error:
            raise error.renamed(spell(error.name)) from error


def variable(name: str) -> str:
    """Returns the environment variable of a relay option."""
    return f"FREEIM_{name.upper()}"


@dataclass(frozen=True)
class _System(_Checked):
    """What the helper and the relays of one system must agree on."""

    redis: Any = _option(checks.redis_url, DEFAULT_REDIS, "URL of Redis")
    servers: Any = _option(
        checks.servers, (), "names of all relay nodes, in the order all parts share"
    )
    path_match: str = _option(checks.path, "/ws", "path of the WebSocket")
    dialect: Any = _option(checks.dialect, "v2", "FreeIM's wire: v2, or the older v1")
    partition: str = _option(
        checks.partition,
        "modulo",
        "how clients are spread over servers: modulo, as C# does, or rendezvous, "
        "which moves few when servers change; the same in all parts",
    )
    key_prefix: str = _option(
        checks.text,
        "",
        "stands before all keys: several systems on one Redis; in a Cluster with a "
        "hash tag, such as {im}:",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        spread = isinstance(self.redis, str) and read_url(self.redis).kind == "cluster"
        if spread and not has_hash_tag(self.key_prefix):
            raise ConfigurationError(
                "key_prefix",
                self.key_prefix,
                "give one with a hash tag, such as {im}: in all parts, which keeps all "
                "keys in one slot of the Redis Cluster",
            )

    @property
    def wire(self) -> Wire:
        """The names and encodings that follow from these options."""
        dialect = self.dialect.partitioned(self.partition)
        return Wire(dialect, self.path_match, self.key_prefix)

    @property
    def remarks(self) -> list[str]:
        """What is no fault, but has a condition that only the operator knows."""
        remarks = {
            "rendezvous": "partition='rendezvous': C# FreeIM does not know it, so no "
            "C# node or C# helper may share this system",
        }
        return [remarks[self.partition]] if self.partition in remarks else []


@dataclass(frozen=True)
class ImClientOptions(_System):
    """What `ImClient` and `ImHelper.initialization` take. Times are in seconds.

    `redis` may also be a `redis.Redis`; its own settings hold then, retries included.
    """

    redis: Any = _option(checks.redis, DEFAULT_REDIS, "URL of Redis, or redis.Redis")
    public_url: Any = _option(
        checks.public_url,
        DEFAULT_PUBLIC_URL,
        "template of the URL that browsers get, or a mapping of server to template",
    )
    token_ttl: int = _option(
        checks.number(int, 1, "a whole number of seconds"),
        10,
        "how long a connect token may stay unused",
    )
    connect_timeout: float = _option(
        checks.positive_seconds, 1.0, "how long connecting to Redis may take"
    )
    timeout: float = _option(
        checks.positive_seconds, 2.0, "how long an answer of Redis may take"
    )
    json_dumps: Any = _option(
        checks.function, None, "replaces json.dumps for messages, never for envelopes"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            check_addresses(self.public_url, self.servers, self.path_match)
        except ValueError as error:
            raise ConfigurationError(
                "public_url", self.public_url, str(error)
            ) from error


@dataclass(frozen=True)
class RelayOptions(_System):
    """What one relay process is told. Times are in seconds, sizes in bytes."""

    server: str = _option(
        checks.text,
        "",
        "name of this node, one of servers; may be left out if it is alone",
    )
    allowed_origins: Any = _option(
        checks.origins, (), "origins whose pages may connect; none: all may"
    )
    max_sockets: int = _option(
        checks.cap, 0, "sockets that a process holds, as far as its open files reach"
    )
    max_sockets_per_client: int = _option(
        checks.cap, 100, "sockets of one client that a process holds"
    )
    max_sockets_per_ip: int = _option(
        checks.cap, 0, "sockets of one address that a process holds"
    )
    max_connects_per_second: float = _option(
        checks.rate, 0.0, "new sockets that a process takes in a second"
    )
    forwarded_allow_ips: Any = _option(
        checks.proxies,
        (),
        "proxies whose X-Forwarded-For is believed; none: gunicorn's setting of that "
        "name, or this machine's",
    )
    ping_interval: float = _option(
        checks.positive_seconds, 25.0, "time between two pings to one socket"
    )
    idle_timeout: float = _option(
        checks.positive_seconds, 35.0, "a socket silent for so long is closed"
    )
    offline_grace: float = _option(
        checks.seconds,
        0.0,
        "a client counts as online so long after its last socket closed",
    )
    lease_ttl: float = _option(
        checks.positive_seconds,
        15.0,
        "a node that has not renewed its lease for so long is dead to the others",
    )
    check_interval: float = _option(
        checks.positive_seconds,
        60.0,
        "time between two comparisons of Redis' counts with the sockets",
    )
    outbox_limit: int = _option(
        checks.byte_count,
        1024 * 1024,
        "what may wait for one slow socket before it is closed",
    )
    message_limit: int = _option(
        checks.byte_count, 64 * 1024, "longest message that a client may send"
    )
    max_frames_per_second: int = _option(
        checks.whole_number,
        30,
        "frames of any kind that a client may send in a second; 0 is any number",
    )
    drain_window: float = _option(
        checks.seconds, 5.0, "closing all sockets at a stop is spread over this time"
    )
    kick_code: int = _option(
        checks.close_code, 4410, "close code of a kick; 1001 is the original's"
    )
    compress: bool = _option(
        checks.switch,
        False,
        "compress messages for browsers that offer it: permessage-deflate",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.server and len(self.servers) == 1:
            object.__setattr__(self, "server", self.servers[0])
        if self.server not in self.servers:
            raise ConfigurationError(
                "server",
                self.server,
                f"name this node as one of servers ({', '.join(self.servers)})",
            )
        if self.idle_timeout <= self.ping_interval:
            raise ConfigurationError(
                "idle_timeout",
                self.idle_timeout,
                f"make it longer than ping_interval ({self.ping_interval:g})",
            )

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> RelayOptions:
        """Reads `FREEIM_…` variables; an empty one counts as not set.

        Raises:
            ConfigurationError: naming the variable, the value and the remedy.
        """
        texts = {name: environ.get(variable(name)) or None for name, *_ in cls.names()}
        return cls.from_texts(texts, variable)
