"""The tutorial's page, made of its blocks, in two browsers."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.docs.tutorial import Tutorial


pytestmark = pytest.mark.browser


def test_two_browsers_write_to_each_other(browser: Browser, tmp_path) -> None:
    contexts = [browser.new_context() for _ in range(2)]
    with Tutorial(tmp_path) as tutorial:
        ada, bo = (context.new_page() for context in contexts)
        for page, name in ((ada, "ada"), (bo, "bo")):
            page.goto(f"http://{tutorial.web}/")
            page.fill("[name=name]", name)
            # A reload must not meet the page that is being left.
            with page.expect_navigation():
                page.click("text=Sign in")
        # Bo hears of it through the socket, so wait until he has one.
        with bo.expect_response("**/history"):
            bo.reload()
        ada.select_option("[name=to]", "2")
        ada.fill("[name=text]", "over <b>here</b>")
        ada.click("text=Send")
        for page in (ada, bo):
            expect(page.locator("#log li")).to_have_text(["ada: over <b>here</b>"])
        bo.reload()
        expect(bo.locator("#log li")).to_have_text(["ada: over <b>here</b>"])
        for context in contexts:
            context.close()
