"""What the site promises beside its pages; `tox -e docs` builds it."""

from __future__ import annotations

import re

import pytest

import freeim
from freeim.doctor.diagnosis import DIAGNOSES
from freeim.websocket.handshake import REFUSALS

from .pages import PAGES, ROOT, read


def test_the_navigation_has_every_page_once():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    nav = re.findall(r"^ +- ([\w/-]+\.md)$", text, re.M)
    pages = [page[len("docs/") :] for page in PAGES if page.startswith("docs/")]
    assert sorted(nav) == sorted(pages)


def test_the_api_has_every_public_name():
    page = read("docs/reference/api.md")
    named = set(re.findall(r"^::: [\w.]+\.(\w+)$|^ +- (\w+)$", page, re.M))
    names = {one for pair in named for one in pair if one}
    assert set(freeim.__all__) - names == set()


def test_the_api_names_what_there_is():
    for path in re.findall(r"^::: ([\w.]+)$", read("docs/reference/api.md"), re.M):
        module, _, name = path.rpartition(".")
        there = __import__(module, fromlist=["*"])
        assert hasattr(there, name), path


def column(page, heading):
    """Returns the first column of the table below a heading, without its head."""
    part = read(page).partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| (.+?) \|", part, re.M)[1:]


def test_troubleshooting_names_hops_of_the_doctor():
    cells = column("docs/troubleshooting.md", "The socket does not open")
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert named and named <= set(DIAGNOSES)


def test_troubleshooting_has_every_reason_for_503():
    cells = column("docs/troubleshooting.md", "503, or 1013")
    texts = {one.text for one in REFUSALS if one.status.startswith("503")}
    assert set(cells) == texts


@pytest.mark.parametrize("page", PAGES)
def test_lists_are_lists_in_the_site_too(page):
    """Python's Markdown wants a blank line before a list, and four blanks in one."""
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.M | re.S)
    lines = text.splitlines()
    for before, line in zip(lines, lines[1:]):
        assert not re.match(r" {1,3}- ", line), f"{page}: {line}"
        begins = re.match(r"(- |\d\. )", line)
        inside = re.match(r"(- |\d\. | )", before) or not before
        assert not begins or inside, f"{page}: {line}"
