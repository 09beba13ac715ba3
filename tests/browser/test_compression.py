"""`compress` as a real browser takes part in it."""

from __future__ import annotations

import base64
import json
import random

import pytest
from playwright.sync_api import Browser

from tests.running import PLAIN_WAYS, System, redis_server


pytestmark = pytest.mark.browser

OPEN = """async url => {
    window.got = [];
    window.ws = new WebSocket(url);
    ws.onmessage = event => got.push(event.data);
    ws.onclose = event => window.code = event.code;
    await new Promise((good, bad) => { ws.onopen = good; ws.onerror = bad; });
    return ws.extensions;
}"""

#: Some that compression shortens, and some that it does not.
TEXTS = [
    "short",
    "word and " * 200,
    "消息" * 50_000,
    base64.b64encode(random.Random(5).randbytes(3000)).decode(),
] * 2


@pytest.mark.parametrize("way", PLAIN_WAYS)
def test_a_browser_agrees_and_reads_everything(browser: Browser, tmp_path, way):
    server = redis_server(tmp_path).serve()
    page = browser.new_page()
    try:
        with System(server.url, way, compress="on") as system:
            page.goto(f"http://{system.nodes[0].address}/healthz")
            agreed = page.evaluate(OPEN, system.client.prev_connect_server(7))
            assert agreed.startswith("permessage-deflate; server_no_context_takeover")
            for text in TEXTS:
                system.client.send_message(0, 7, text)
            page.wait_for_function(f"got.length == {len(TEXTS)}")
            wanted = [json.dumps(text, ensure_ascii=False) for text in TEXTS]
            assert page.evaluate("got") == wanted
            # What a browser compresses is understood, and counted as it was written.
            page.evaluate("ws.send('é'.repeat(30000))")
            system.client.send_message(0, 7, "still here")
            page.wait_for_function(f"got.length == {len(TEXTS) + 1}")
            page.evaluate("ws.send('x'.repeat(66000))")
            page.wait_for_function("window.code")
            assert page.evaluate("code") == 1009
    finally:
        page.close()
        server.stop()
