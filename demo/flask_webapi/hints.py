"""Pushes that nobody misses for long: a request goes on without Redis."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from redis import RedisError

from freeim import ImHelper


logger = logging.getLogger(__name__)


def hint(user_ids: int | Iterable[int], what: dict[str, Any]) -> None:
    """Tells users something that their pages can also ask for."""
    try:
        ImHelper.send_message(0, user_ids, what)
    except RedisError as error:
        logger.warning("users %s did not hear of %s: %s", user_ids, what, error)
