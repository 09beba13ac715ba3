"""FreeIM's push architecture for Python's synchronous world.

The application uses `ImHelper`; the relay is `freeim.relay_wsgi:app` under gunicorn, or
`freeim relay`. Importing this package loads neither gevent nor flask.
"""

from .atomic import Atomic
from .client import ImClient, ImSendEvent
from .errors import (
    ConfigurationError,
    ForkedError,
    FreeIMError,
    InvalidArgument,
    InvalidChan,
    InvalidClientId,
    InvalidMessage,
    InvalidMetaData,
    NotInitializedError,
    WireError,
)
from .event_group import EventGroupSubscription
from .events import ClientEvent, EventBusSubscription
from .imhelper import ImHelper
from .options import ImClientOptions, RelayOptions
from .tokens import Address


__version__ = "0.1.0"

__all__ = [
    "Address",
    "Atomic",
    "ClientEvent",
    "ConfigurationError",
    "EventBusSubscription",
    "EventGroupSubscription",
    "ForkedError",
    "FreeIMError",
    "ImClient",
    "ImClientOptions",
    "ImHelper",
    "ImSendEvent",
    "InvalidArgument",
    "InvalidChan",
    "InvalidClientId",
    "InvalidMessage",
    "InvalidMetaData",
    "NotInitializedError",
    "RelayOptions",
    "WireError",
]
