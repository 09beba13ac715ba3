"""A slow line between a page and the WebApi, by Chromium's own means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page


@contextmanager
def slow_upload(page: Page, bytes_per_second: int) -> Iterator[None]:
    """Lets the page send no faster than that, as long as the context lasts."""
    session = page.context.new_cdp_session(page)
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1}
    session.send(
        "Network.emulateNetworkConditions",
        {**limits, "uploadThroughput": bytes_per_second},
    )
    yield
    session.send("Network.emulateNetworkConditions", {**limits, "uploadThroughput": -1})
    session.detach()
