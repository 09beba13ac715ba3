"""All commands; a new one is imported and named in `COMMANDS`."""

from __future__ import annotations

import click

from .benchmark import bench
from .clients import kick, online, token
from .config import check_config
from .doctor import doctor
from .messages import chans, events, send
from .nodes import drain
from .relay import relay
from .top import top


__all__ = ["COMMANDS", "freeim"]

#: In the order of the documentation.
COMMANDS = (
    relay,
    online,
    send,
    kick,
    chans,
    events,
    token,
    top,
    check_config,
    doctor,
    drain,
    bench,
)


class InOrder(click.Group):
    """A group that lists its commands as they were added, not by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the commands' names."""
        return list(self.commands)


@click.group(
    cls=InOrder,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def freeim() -> None:
    """FreeIM for Python: a relay, and what an operator asks of its system."""


for command in COMMANDS:
    freeim.add_command(command)
