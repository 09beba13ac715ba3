"""Why a command could not do what it was asked: one line, and a status."""

from __future__ import annotations

from typing import IO, Any

import click

from .statuses import Status


__all__ = ["Failure"]


class Failure(click.ClickException):
    """Ends a command."""

    def __init__(self, text: str, status: Status = Status.FAILED) -> None:
        super().__init__(text)
        self.status = status

    def show(self, file: IO[Any] | None = None) -> None:
        """Says it, in one line."""
        click.echo(f"freeim: {self.message}", err=file is None, file=file)
