"""The parts of a Markdown page that the benchmark writes."""

from __future__ import annotations

from pathlib import Path

from bench.deadline import BenchError


def write_block(page: str, name: str, text: str) -> None:
    """Replaces what stands between the marks of a block.

    The marks are `<!-- begin: NAME … -->` and `<!-- end: NAME -->`.

    Raises:
        BenchError: if the page, or a mark in it, is not there.
    """
    before, after = _around(page, name)
    Path(page).write_text(f"{before}\n{text}\n\n{after}", encoding="utf-8")


def check_block(page: str, name: str) -> None:
    """Refuses a page without the marks of a block, before hours are spent for it."""
    _around(page, name)


def _around(page: str, name: str) -> tuple[str, str]:
    try:
        text = Path(page).read_text(encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{page}: {error.strerror}") from error
    begin = text.find(f"<!-- begin: {name} ")
    end = text.find(f"<!-- end: {name} -->", begin)
    if begin < 0 or end < 0:
        raise BenchError(f"{page} has no marks around a block {name!r}")
    begin = text.index("\n", begin) + 1
    return text[:begin], text[end:]
