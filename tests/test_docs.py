"""The documents: their tables come from the code, their examples and links are true.

`python -m tests.test_docs` writes the tables again.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import click
import pytest

from freeim import ImClientOptions, RelayOptions
from freeim.cli.commands import COMMANDS
from freeim.cli.statuses import Status
from freeim.flask_ext import config_keys
from freeim.options import variable
from freeim.relay.metrics import Metrics
from freeim.websocket.frames import CloseReason
from freeim.websocket.handshake import REFUSALS

from .docs import wire_bytes
from .running import VECTORS
from .test_architecture import MAY_IMPORT, ORDER


ROOT = Path(__file__).parent.parent

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

SETUP_COMMANDS = [
    "python3 -m venv .venv && .venv/bin/pip install -e '.[demo]' "
    "&& .venv/bin/python -m demo",
    "python3 -m venv .venv && .venv/bin/pip install tox && .venv/bin/tox",
]

#: When the relay closes a socket for a reason; the rest of the table is in the code.
WHEN = {
    CloseReason.NORMAL: "the browser closed the socket; the relay never begins it",
    CloseReason.GOING_AWAY: "the relay is draining",
    CloseReason.PROTOCOL_ERROR: "the browser broke the protocol (RFC 6455), or a "
    "refusal with 400 or 426 after the 101",
    CloseReason.LOST: "never sent: the connection broke without a close frame",
    CloseReason.INVALID_DATA: "the browser sent a text that is not UTF-8",
    CloseReason.POLICY: "the browser sent more than `max_frames_per_second`",
    CloseReason.TOO_BIG: "the browser sent a message over `message_limit`",
    CloseReason.INTERNAL_ERROR: "a bug in the relay; its log has the traceback",
    CloseReason.TRY_LATER: "Redis did not take the socket's count, or a refusal with "
    "503 after the 101",
    CloseReason.BAD_TOKEN: "token missing, unknown, used or expired, where the 101 was "
    "out before it was checked",
    CloseReason.BAD_ORIGIN: "the page is of none of `allowed_origins`, where the 101 "
    "was out before it was checked",
    CloseReason.KICKED: "the application called `force_offline`",
    CloseReason.SLOW: "`outbox_limit` was reached: the browser does not read",
    CloseReason.SILENT: "nothing was heard for `idle_timeout`, no answer to a ping "
    "either",
}


def table(*rows):
    """Returns rows as a Markdown table; the first one is its head."""
    escaped = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    head, *body = (f"| {' | '.join(row)} |" for row in escaped)
    return "\n".join([head, f"|{'---|' * len(rows[0])}", *body])


def code(value):
    """Returns a default as code; a dash if there is none."""
    if value in ("", (), None):
        return "–"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def relay_options():
    head = ("option", "variable", "flag", "default", "meaning")
    rows = [
        (
            code(name),
            code(variable(name)),
            code("--" + name.replace("_", "-")),
            code(default),
            text,
        )
        for name, text, default in RelayOptions.names()
    ]
    return table(head, *rows)


def helper_options():
    head = ("option", "key in Flask's `app.config`", "default", "meaning")
    rows = [
        (code(name), code(variable(name)), code(default), text)
        for name, text, default in ImClientOptions.names()
    ]
    return table(head, *rows)


def flask_config():
    rows = [(code(key), code(default), text) for key, text, default in config_keys()]
    return table(("key", "default", "meaning"), *rows)


def close_codes():
    head = ("code", "name", "text", "when", "may the browser come back?")
    rows = [
        (
            reason.code,
            code(reason.name),
            reason.text or "–",
            WHEN[reason],
            "yes" if reason.reconnect else "no",
        )
        for reason in CloseReason
    ]
    return table(head, *rows)


def refusals():
    head = ("status", "text", "`Retry-After`", "code, where the 101 was out already")
    rows = [
        (
            one.status,
            one.text,
            dict(one.headers).get("Retry-After", "–"),
            one.close.code,
        )
        for one in REFUSALS
    ]
    return table(head, *rows)


def metrics():
    rows = [
        (
            code(f"{one.name}{{{','.join(one.labels)}}}".replace("{}", "")),
            one.kind,
            one.text,
        )
        for one in Metrics().described
    ]
    return table(("metric", "type", "meaning"), *rows)


def own_options(command):
    """Returns the options of a command that no option class has."""
    derived = {one for kind in CLASSES for one, *_ in kind.names()}
    return [
        one
        for one in command.params
        if isinstance(one, click.Option) and one.name not in derived
    ]


def commands():
    parts = []
    for command in COMMANDS:
        context = click.Context(command, info_name=f"freeim {command.name}")
        usage = " ".join(command.collect_usage_pieces(context))
        parts += [f"### freeim {command.name}", f"`freeim {command.name} {usage}`"]
        parts.append(inspect.cleandoc(command.help).replace("\f", ""))
        rows = [
            (
                code(", ".join(one.opts)),
                code(
                    one.envvar
                    or f"FREEIM_{command.name}_{one.name}".upper().replace("-", "_")
                ),
                "–"
                if one.is_flag or not isinstance(one.default, (str, int, float))
                else code(one.default),
                one.help,
            )
            for one in own_options(command)
        ]
        if rows:
            parts.append(table(("option", "variable", "default", "meaning"), *rows))
        given = {one.name for one in command.params}
        for kind, text in CLASSES.items():
            if given > {one for one, _, value in kind.names() if one != "json_dumps"}:
                parts.append(f"And {text}.")
    return "\n\n".join(parts)


def exit_statuses():
    rows = [(code(int(one)), one.text) for one in Status]
    return table(("status", "meaning"), *rows)


#: What stands for the options that are derived from a class.
CLASSES = {
    RelayOptions: "all [options of a relay](options.md#relay)",
    ImClientOptions: "all [options of the helper](options.md#helper) but `json_dumps`",
}

#: Page and marker of each table that is written from the code.
TABLES = {
    ("docs/options.md", "relay options"): relay_options,
    ("docs/options.md", "helper options"): helper_options,
    ("docs/recipes/flask.md", "flask config"): flask_config,
    ("docs/close-codes.md", "close codes"): close_codes,
    ("docs/close-codes.md", "refusals"): refusals,
    ("docs/metrics.md", "metrics"): metrics,
    ("docs/cli.md", "commands"): commands,
    ("docs/cli.md", "exit statuses"): exit_statuses,
    ("docs/wire-format.md", "bytes"): wire_bytes.render,
}


def section(text, marker):
    """Returns where a marked section of a page begins and ends."""
    begin = text.index("\n", text.index(f"<!-- begin: {marker} ")) + 1
    return begin, text.index(f"<!-- end: {marker} -->", begin)


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


def write_tables():
    """Writes all tables into their pages."""
    for (page, marker), render in TABLES.items():
        text = read(page)
        begin, end = section(text, marker)
        text = f"{text[:begin]}\n{render()}\n\n{text[end:]}"
        (ROOT / page).write_text(text, encoding="utf-8")


def blocks(text):
    """Returns (language, code) of each fenced code block of a page."""
    return re.findall(r"^```(\w*)\n(.*?)\n```$", text, re.M | re.S)


def anchors(text):
    """Returns the names that GitHub gives to the headings of a page."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


def strings(value):
    """Yields every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from strings(one)


@pytest.mark.parametrize("page, marker", TABLES)
def test_a_table_is_what_the_code_says(page, marker):
    text = read(page)
    begin, end = section(text, marker)
    assert text[begin:end] == f"\n{TABLES[page, marker]()}\n\n", (
        f"{page} is not what the code says: `python -m tests.test_docs` writes it again"
    )


def test_ranges_of_close_codes_say_what_the_table_says():
    for reason in CloseReason:
        in_range = reason.code in {1001, 1006, 1011, 1012, 1013}
        assert reason.reconnect == (in_range or 4500 <= reason.code <= 4599), reason


def test_readme_has_the_two_commands_in_blocks_of_their_own():
    found = [block for _, block in blocks(read("README.md")) if "venv" in block]
    assert found == SETUP_COMMANDS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(read(there)), f"{page.name}: {target}"


def test_examples_of_the_wire_are_golden_cases():
    golden = set(strings(VECTORS))
    # Blocks with a language show a form, those without one the exact bytes.
    payloads = [
        line
        for language, block in blocks(read("docs/wire-format.md"))
        if not language
        for line in block.splitlines()
    ]
    assert len(payloads) > 10
    assert [line for line in payloads if line not in golden] == []


def test_architecture_names_every_module_and_every_package():
    text = read("docs/architecture.md")
    modules = [name for name in ORDER if f"| `{name}` |" not in text]
    assert modules == [], "give each module its line in docs/architecture.md"
    packages = [name for name in MAY_IMPORT if f"| `{name}` |" not in text]
    assert packages == [], "say who may import it in docs/architecture.md"


def test_guarantees_name_tests_that_there_are():
    page = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)?test_\w+)`", page))
    assert len(named) > 10
    assert [name for name in named if not (ROOT / f"tests/{name}.py").exists()] == []


def test_the_table_of_metrics_is_what_is_exposed():
    exposed = re.findall(r"^# HELP (\w+) ", Metrics().exposition().decode(), re.M)
    assert [one.name for one in Metrics().described] == [
        name for name in exposed if not name.endswith("_created")
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_metrics_that_a_page_names_are_there(page):
    known = {one.name for one in Metrics().described}
    named = re.findall(r"`(freeim_[a-z_]+)[`{]", read(page))
    # A name that ends in an underscore, or is freeim_x, stands for many.
    real = {name for name in named if not name.startswith("freeim_x")}
    assert real - known - {"freeim_ext"} == set()


if __name__ == "__main__":
    sys.exit(write_tables())
