"""The command line's beginning and end: `freeim COMMAND`."""

from __future__ import annotations

import sys

from ..errors import ConfigurationError, missing_extra
from .statuses import Status


__all__ = ["main"]

#: Options that no class has are set by FREEIM_COMMAND_OPTION.
PREFIX = "FREEIM"


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    try:
        import click

        from .commands import freeim
        from .failure import Failure
    except ImportError as error:
        if error.name != "click":
            raise
        raise SystemExit(f"freeim: {missing_extra('freeim', 'cli', error)}") from error
    try:
        status = freeim.main(
            arguments,
            prog_name="freeim",
            standalone_mode=False,
            auto_envvar_prefix=PREFIX,
        )
    except ConfigurationError as error:
        print(f"freeim: {error}", file=sys.stderr)
        return Status.UNUSABLE
    except Failure as error:
        error.show()
        return error.status
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return Status.INTERRUPTED
    return int(status or Status.OK)
