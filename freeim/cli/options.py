"""Options of commands that are the fields of an option class, never listed again."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Callable, Container, Dict, Optional, TypeVar

import click
from click.core import ParameterSource

from .. import checks
from ..options import ImClientOptions, RelayOptions, variable


__all__ = [
    "Texts",
    "derived_options",
    "flag_of",
    "json_option",
    "read_options",
    "spell",
]

#: What was typed, or set by variables, by field; None where nothing was.
Texts = Dict[str, Optional[str]]

Callback = TypeVar("Callback", bound=Callable[..., Any])

json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    envvar="FREEIM_JSON",
    help="Print JSON instead of text.",
)


def flag_of(name: str) -> str:
    return "--" + name.replace("_", "-")


def derived_options(
    *classes: type[Any], only: Container[str] | None = None
) -> Callable[[Callback], Callback]:
    """Gives a command the fields of option classes, or some, as options, each once."""
    items = {
        item.name: item
        for one in classes
        for item in fields(one)
        # Functions cannot be typed.
        if item.metadata["check"] is not checks.function
        and (only is None or item.name in only)
    }

    def decorate(command: Callback) -> Callback:
        for item in reversed(list(items.values())):
            default = item.default
            shown = f"; default: {default}" if default not in ("", ()) else ""
            add = click.option(
                flag_of(item.name),
                item.name,
                metavar="…",
                envvar=variable(item.name),
                help=f"{item.metadata['help']} [{variable(item.name)}{shown}]",
            )
            command = add(command)
        return command

    return decorate


def spell(name: str) -> str:
    """Returns how an option was given: its flag if it was typed, else its variable."""
    source = click.get_current_context().get_parameter_source(name)
    return flag_of(name) if source is ParameterSource.COMMANDLINE else variable(name)


Options = TypeVar("Options", RelayOptions, ImClientOptions)


def read_options(options_class: type[Options], texts: Texts) -> Options:
    """Builds options from what a command was given.

    Raises:
        ConfigurationError: if one cannot be used, as it was given.
    """
    known = {item.name for item in fields(options_class)}
    given = {name: text for name, text in texts.items() if name in known}
    return options_class.from_texts(given, spell)
