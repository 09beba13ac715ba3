"""The code blocks of all pages, and the files that those of one page describe."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple


ROOT = Path(__file__).parent.parent.parent

#: By the name that the tests call them.
PAGES = {
    str(path.relative_to(ROOT)): path
    for path in sorted(
        [*ROOT.glob("README*.md"), ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
    )
}

#: How a block says which file it is: its first line.
NAME = re.compile(r"(?:# |// |<!-- )([\w/]+\.(?:py|js|html))(?: -->)?\n")


class Block(NamedTuple):
    """A fenced block; `language` is empty if it has none."""

    page: str
    language: str
    code: str

    @property
    def first_line(self) -> str:
        return self.code.partition("\n")[0]

    @property
    def file(self) -> str | None:
        """The name of the file that it is, or is a part of."""
        found = NAME.match(self.code)
        return found[1] if found else None


def read(page):
    """Returns the text of a page."""
    return PAGES[page].read_text(encoding="utf-8")


def blocks_of(page, language=None):
    """Returns the blocks of a page in their order, of one language or of all."""
    found = re.findall(r"^( *)```(\w*)\n(.*?)^\1```$", read(page), re.M | re.S)
    return [
        Block(page, kind, re.sub(f"^{indent}", "", code, flags=re.M))
        for indent, kind, code in found
        if language in (None, kind)
    ]


def write_files(page, folder, change=lambda text: text):
    """Writes the files that the blocks of a page are; blocks of one name are one file.

    Returns their names.
    """
    files = {}
    for block in blocks_of(page):
        if block.file:
            files.setdefault(block.file, []).append(block.code)
    for name, parts in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(change("\n\n".join(parts)), encoding="utf-8")
    return sorted(files)


def sections(text):
    """Returns level and title of each heading of a page's text."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    return [
        (len(sharps), title) for sharps, title in re.findall(r"^(#+) (.+)$", text, re.M)
    ]
