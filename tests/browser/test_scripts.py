"""The JavaScript of the pages: all of it is parsed, and what can run alone is run."""

from __future__ import annotations

import re
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page
from werkzeug.serving import make_server

from freeim import ImHelper
from tests.docs.pages import PAGES, blocks_of
from tests.docs.test_readme import page_of, run_readme
from tests.running import System, wait_until


pytestmark = pytest.mark.browser

SCRIPTS = [block for page in PAGES for block in blocks_of(page, "js")]

PARSE = """code => {
  const AsyncFunction = (async () => {}).constructor;
  new AsyncFunction(code);
}"""


@pytest.fixture
def page(browser: Browser):
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(
    "block", SCRIPTS, ids=lambda one: f"{one.page}: {one.code[:30]}"
)
def test_a_script_can_be_parsed(page: Page, block) -> None:
    # The one thing that a function may not do and a module may.
    code = re.sub(
        r"^import (.+) from (.+);$",
        r"const \1 = await import(\2);",
        block.code,
        flags=re.M,
    )
    page.evaluate(PARSE, code)


def test_the_scripts_of_the_readme(page: Page, redis_url) -> None:
    names = ["127.0.0.1:6001"]
    with System(redis_url, "freeim relay", names) as system:
        app = run_readme(redis_url)
        node = system.nodes[0]
        app.get("/")(lambda: "<!doctype html><title>page</title>")
        # The README's node is at another port here.
        ImHelper.initialization(
            redis=redis_url,
            servers=names,
            public_url=f"ws://{node.address}{{path}}?token={{token}}",
        )
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            sign_in(page, app, f"http://127.0.0.1:{server.port}/")
            first, second = blocks_of("README.md", "js")
            page.evaluate(f"async () => {{ {first.code} }}")
            quiet = """
              const answer = await fetch("/connect-quietly", { method: "POST" });
              const { url, protocols } = await answer.json();
            """
            page.evaluate(f"async () => {{ {quiet} {second.code} }}")
            wait_until(lambda: system.sockets_of(2) == 2, "both sockets count")
            page.evaluate(
                "() => { window.heard = []; console.log = (one) => heard.push(one); }"
            )
            said = page_of(app, 1).post("/say", data={"to": 2, "text": "hi"})
            assert said.json == {"ok": True}
            expected = {"type": "chat", "text": "hi"}
            wait_until(lambda: page.evaluate("heard.length") == 2, "both scripts hear")
            assert page.evaluate("heard") == [expected, expected]
            # Its sockets close, and everybody is offline.
            page.goto("about:blank")
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
            ImHelper.instance.redis.connection_pool.disconnect()
            ImHelper._instance = None


def sign_in(page: Page, app, url: str) -> None:
    """Gives a browser the session of user 2, as a login of the application would."""
    with page_of(app, 2) as client:
        cookie = client.get_cookie("session")
    page.context.add_cookies([{"name": "session", "value": cookie.value, "url": url}])
    page.goto(url)
