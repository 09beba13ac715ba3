"""The Lua scripts of `lua/`, by name."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Sequence


__all__ = ["Script", "load_script"]

LUA = Path(__file__).parent / "lua"


class Script:
    """One script, sent as text.

    Redis keeps it compiled by its hash, whoever sends it. Sending the hash alone would
    save some hundred bytes and cost a round trip more, or a failure, whenever a Redis
    does not know it: after a restart, a failover or SCRIPT FLUSH.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def __call__(
        self, redis: Any, keys: Sequence[str], args: Sequence[Any] = ()
    ) -> Any:
        """Runs the script, or adds it to a pipeline if `redis` is one."""
        return redis.eval(self._text, len(keys), *keys, *args)


@lru_cache(maxsize=None)
def load_script(name: str) -> Script:
    """Returns `lua/{name}.lua`, without its comments."""
    text = (LUA / f"{name}.lua").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return Script("\n".join(lines))
