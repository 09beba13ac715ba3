"""The code blocks of a document, as files to run and texts to compare."""

from __future__ import annotations

import re
from pathlib import Path


ROOT = Path(__file__).parent.parent.parent


def page_blocks(page, language="python"):
    """Returns the code blocks of a page that are in a language, in their order."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def write_files(page, folder):
    """Writes each Python block that begins with `# NAME.py` as that file.

    Several blocks of one name are one file.
    """
    files = {}
    for block in page_blocks(page):
        name = re.match(r"# ([\w/]+\.py)\n", block)
        if name:
            files.setdefault(name[1], []).append(block)
    assert files, f"{page} has no file"
    for name, parts in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(parts), encoding="utf-8")
    return sorted(files)
