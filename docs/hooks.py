"""What MkDocs is told beside mkdocs.yml: a link to the sources is no page."""

from __future__ import annotations

import re
from pathlib import Path


ROOT = Path(__file__).resolve().parent.parent


def on_page_markdown(markdown, page, config, files):
    """Makes plain names of links to files that are not in docs/."""
    folder = Path(config["docs_dir"], page.file.src_uri).parent

    def name(link):
        there = (folder / link[2].partition("#")[0]).resolve()
        inside = Path(config["docs_dir"]) in there.parents
        # What does not exist stays a link, which MkDocs warns of.
        return link[0] if inside or not there.exists() else f"`{link[1].strip('`')}`"

    return re.sub(r"(?<!!)\[([^]\n]+)\]\((\.\./[^)\s]+)\)", name, markdown)
