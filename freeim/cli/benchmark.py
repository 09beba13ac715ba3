"""`freeim bench`: the benchmark of a source tree, where there is one."""

from __future__ import annotations

import importlib.util
import runpy
import sys

import click

from .failure import Failure


__all__ = ["bench"]


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> None:
    """Run the benchmark with its own arguments: `freeim bench --help`."""
    # Not any package of that name.
    if not importlib.util.find_spec("bench") or not _has("bench.rig"):
        raise Failure(
            "the benchmark is not installed with freeim: run `python -m bench` in its "
            "source tree"
        )
    sys.argv[1:] = arguments
    runpy.run_module("bench", run_name="__main__", alter_sys=True)


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
