"""The example of docs/resharding.md prints what the page says."""

from __future__ import annotations

from .pages import page_blocks


def test_the_example_prints_what_the_page_says(capsys):
    (example,) = page_blocks("resharding.md")
    (output,) = page_blocks("resharding.md", "text")
    exec(example, {})
    assert capsys.readouterr().out == output
