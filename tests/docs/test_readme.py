"""The two READMEs say the same, and what they show runs."""

from __future__ import annotations

import ast
import json
import re
from contextlib import closing

import pytest
import websocket

from freeim import ImHelper
from tests.running import DEADLINE, System, wait_until

from .pages import ROOT, blocks_of, read, sections


ENGLISH, CHINESE = "README.md", "README.zh-CN.md"

#: Every section, in their order.
TITLES = {
    "freeim": "freeim",
    "What it is not": "它不是什么",
    "The relay": "relay",
    "Sending": "发送",
    "Install": "安装",
    "Ways to run the relay": "运行 relay 的几种方式",
    "Looking after it": "日常运维",
    "Compatibility with C# FreeIM": "与 C# FreeIM 的兼容性",
    "Guarantees and limits": "保证与边界",
    "Further reading": "延伸阅读",
}


def parts(page):
    """Returns the text of each section, code blocks left out."""
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.M | re.S)
    return re.split(r"^#+ .+$", text, flags=re.M)[1:]


def facts(text):
    """Returns what is the same in every language: code, links and list items."""
    return (
        sorted(set(re.findall(r"`([^`\n]+)`", text))),
        sorted(
            set(re.findall(r"\]\(([^)\s]+)\)", text))
            - {ENGLISH, CHINESE, "docs/flow.zh-CN.svg"}
        ),
        len(re.findall(r"^- ", text, re.M)),
        len(re.findall(r"^\| ", text, re.M)),
    )


def test_both_have_the_same_sections():
    english, chinese = sections(read(ENGLISH)), sections(read(CHINESE))
    assert [title for _, title in english] == list(TITLES)
    assert [title for _, title in chinese] == list(TITLES.values())
    assert [level for level, _ in english] == [level for level, _ in chinese]


def test_both_have_the_same_code_blocks():
    # The drawing, which has no language, is a picture in the other one.
    english, chinese = (
        [block[1:] for block in blocks_of(page) if block.language]
        for page in (ENGLISH, CHINESE)
    )
    assert english == chinese


@pytest.mark.parametrize("title", TITLES)
def test_both_say_the_same_in_a_section(title):
    index = list(TITLES).index(title)
    assert facts(parts(ENGLISH)[index]) == facts(parts(CHINESE)[index])


def test_each_links_to_the_other_at_the_top():
    for page, other in ((ENGLISH, CHINESE), (CHINESE, ENGLISH)):
        assert f"]({other})" in read(page).splitlines()[2]


def test_the_drawings_differ_in_their_words_only():
    def lines_of(name):
        drawing = (ROOT / "docs" / name).read_text(encoding="utf-8")
        return re.sub(r">[^<\n]+<", "><", drawing)

    assert lines_of("flow.svg") == lines_of("flow.zh-CN.svg")


def test_the_table_of_extras_is_what_setup_has():
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    call = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    )
    extras = next(one.value for one in call.keywords if one.arg == "extras_require")
    named = re.findall(r"^\| `pip install '\.\[([\w-]+)\]'` \|", read(ENGLISH), re.M)
    assert sorted(named) == sorted(key.value for key in extras.keys)


def run_readme(redis_url):
    """Runs the Python of the README; returns its application."""
    code = "\n\n".join(block.code for block in blocks_of(ENGLISH, "python"))
    # Flask looks for the folder of a module of this name, and takes ours.
    names = {"__name__": "shown_by_a_page"}
    exec(code.replace("redis://127.0.0.1:6379/0", redis_url), names)
    return names["app"]


def page_of(app, user):
    """Returns the page of somebody who has a session."""
    page = app.test_client()
    with page.session_transaction() as session:
        session["user_id"] = user
    return page


@pytest.fixture
def system(redis_url):
    with System(redis_url, "freeim relay") as made:
        yield made
    # The README's own client; no other test may find it.
    ImHelper.instance.redis.connection_pool.disconnect()
    ImHelper._instance = None


def test_the_application_of_the_readme(redis_url, system):
    app = run_readme(redis_url)
    node = system.nodes[0]

    ada, bo = page_of(app, 1), page_of(app, 2)
    url = bo.post("/connect").json["url"].replace(node.server_name, node.address)
    quiet = bo.post("/connect-quietly").json
    assert "token" not in quiet["url"]
    with closing(websocket.create_connection(url, timeout=DEADLINE)) as first, closing(
        websocket.create_connection(
            quiet["url"].replace(node.server_name, node.address),
            subprotocols=quiet["protocols"],
            timeout=DEADLINE,
        )
    ) as second:
        wait_until(lambda: system.sockets_of(2) == 2, "both sockets count")
        assert ada.post("/say", data={"to": 2, "text": "hi"}).json == {"ok": True}
        for sock in (first, second):
            assert json.loads(sock.recv()) == {"type": "chat", "text": "hi"}
