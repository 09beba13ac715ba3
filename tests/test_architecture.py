"""The floors of docs/architecture.md, enforced."""

import ast
from pathlib import Path

import pytest


ROOT = Path(__file__).parent.parent / "freeim"

# Order is the rule: a module may import only modules listed before it.
ORDER = """
    errors dialects redis_url public_url websocket.address checks content
    wire_json commands keys wire orders options
    websocket.frames websocket.deflate websocket.handshake websocket.limits
    websocket.protocol
    redis_deadline redis_place redis_connection redis_client scripts status
    presence reaper calls atomic chans tokens client
    subscription events group_lease group_stream event_group
    relay.outbox relay.registry relay.audience relay.router relay.heartbeat
    relay.spokesman relay.metrics relay.garbage relay.pace relay.caps relay.access_log
    relay.transport relay.sending relay.clerk relay.gate relay.connection relay.fanout
    relay.drain relay.sampler relay.roster relay.lease relay.tracked_reader
    relay.members relay.dispatcher relay.subscriber relay.watchdog relay.timers
    relay.relay
    doctor.findings doctor.faults_before doctor.faults_behind doctor.diagnosis
    doctor.address doctor.answers doctor.link doctor.application doctor.witness
    doctor.plan doctor.approach doctor.stay doctor.walk doctor.printing doctor.command
    gunicorn_worker relay_wsgi server imhelper __init__ flask_ext
    cli.statuses cli.failure cli.options cli.output cli.system cli.relay cli.clients
    cli.messages cli.nodes cli.top cli.config cli.doctor cli.benchmark cli.commands
    cli.main __main__
""".split()

# Third-party packages and the only modules that may import them.
MAY_IMPORT = {
    "redis": {
        "redis_deadline",
        "redis_place",
        "redis_connection",
        "redis_client",
        "scripts",
        "subscription",
        "events",
        "group_lease",
        "group_stream",
        "relay.clerk",
        "relay.gate",
        "relay.lease",
        "relay.tracked_reader",
        "relay.members",
        "relay.dispatcher",
        "relay.subscriber",
        "relay.watchdog",
        "relay.timers",
        "relay.relay",
        "doctor.walk",
        "cli.system",
    },
    "hiredis": {"relay.subscriber"},
    "wsproto": {
        "websocket.deflate",
        "websocket.handshake",
        "websocket.limits",
        "websocket.protocol",
        "doctor.link",
        "doctor.stay",
    },
    "prometheus_client": {"relay.metrics"},
    "gevent": {
        "relay.transport",
        "relay.clerk",
        "relay.connection",
        "relay.pace",
        "relay.drain",
        "relay.sampler",
        "relay.roster",
        "relay.lease",
        "relay.tracked_reader",
        "relay.dispatcher",
        "relay.spokesman",
        "relay.subscriber",
        "relay.watchdog",
        "relay.timers",
        "relay.relay",
        "gunicorn_worker",
        "relay_wsgi",
        "server",
        "cli.relay",
    },
    "geventwebsocket": {"server"},
    "flask": {"flask_ext"},
    "gunicorn": set(),
    "click": {
        "cli.failure",
        "cli.options",
        "cli.output",
        "cli.system",
        "cli.relay",
        "cli.clients",
        "cli.messages",
        "cli.nodes",
        "cli.top",
        "cli.config",
        "cli.doctor",
        "cli.benchmark",
        "cli.commands",
        "cli.main",
    },
    "rich": {"cli.top"},
}


def modules():
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found.append(pytest.param(name, tree, id=name))
    return found


def is_empty_init(name):
    return name.endswith(".__init__")


def imported(name, tree):
    """Yields what a module imports, as written from the top: `freeim.wire`, `redis`."""
    package = ["freeim", *name.split(".")[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join(base + ([node.module] if node.module else []))
            for alias in node.names:
                # `from . import checks` names a module, `from .wire import Wire` not.
                full = f"{module}.{alias.name}"
                yield full if full[len("freeim.") :] in ORDER else module


@pytest.mark.parametrize("name, tree", modules())
def test_imports_go_down(name, tree):
    if is_empty_init(name):
        assert not tree.body, f"{name} must stay empty"
        return
    assert name in ORDER, "new module: give it a floor here and in docs/architecture.md"
    below = ORDER[: ORDER.index(name)]
    for target in imported(name, tree):
        top, _, rest = target.partition(".")
        if top == "freeim":
            assert rest in below, f"{name} imports {target}"
        elif top in MAY_IMPORT:
            assert name in MAY_IMPORT[top], f"{name} imports {top}"


def test_order_names_only_modules_that_exist():
    names = {path.values[0] for path in modules()}
    assert [name for name in ORDER if name not in names] == []
