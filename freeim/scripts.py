"""Loads the Lua scripts of `lua/` by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from redis.commands.core import Script


__all__ = ["load_script"]

LUA = Path(__file__).parent / "lua"


def load_script(redis: Any, name: str) -> Script:
    """Returns `lua/{name}.lua` as a function of keys and arguments.

    Redis gets the text when it does not know it yet, also after it was restarted.
    """
    text = (LUA / f"{name}.lua").read_text(encoding="utf-8")
    script: Script = redis.register_script(text)
    return script
