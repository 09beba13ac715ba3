"""Dockerfile, compose file and Kubernetes objects: linted, and true to each other.

What their relays and WebApi run is run here, without containers.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
import websocket

from demo.parts import answers_200
from freeim import ImClient, ImClientOptions, RelayOptions
from freeim.options import variable
from tests.running import DEADLINE, Server, clean_environ, free_port, wait_until

from .files import (
    COMPOSE,
    DEPLOY,
    GUNICORN_CONF,
    KUBERNETES,
    UNITS,
    documents,
    gunicorn_conf,
    settings,
)


DOCKERFILE = DEPLOY / "docker/Dockerfile"

#: The version of Kubernetes whose schemas the objects are held against.
VERSION = "1.30"


def tool(module, name):
    """Returns a linter that came with a package, which may be missing."""
    pytest.importorskip(module)
    return str(Path(sys.executable).with_name(name))


def command(target):
    """Returns the CMD of a target of the Dockerfile."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    stage = re.search(rf"^FROM \S+ AS {target}$(.*?)(^FROM|\Z)", text, re.M | re.S)[1]
    return json.loads(re.search(r"^CMD (.*)$", stage, re.M)[1])


def compose():
    (document,) = documents(COMPOSE)
    return document["services"]


def kubernetes():
    """Returns the objects by kind and name."""
    return {
        (one["kind"], one["metadata"]["name"]): one for one in documents(KUBERNETES)
    }


def pod():
    return kubernetes()["StatefulSet", "freeim"]["spec"]["template"]["spec"]


def test_hadolint_finds_no_fault_in_the_dockerfile():
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is not installed")
    lint = subprocess.run(
        [hadolint, DOCKERFILE], stdout=subprocess.PIPE, text=True, timeout=60
    )
    assert (lint.returncode, lint.stdout) == (0, "")


def test_compose_file_follows_the_specification():
    check = tool("check_jsonschema", "check-jsonschema")
    arguments = ["--builtin-schema", "vendor.compose-spec", COMPOSE]
    lint = subprocess.run(
        [check, *arguments], stdout=subprocess.PIPE, text=True, timeout=60
    )
    assert lint.returncode == 0, lint.stdout


def test_kubernetes_knows_every_field():
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for one in documents(KUBERNETES):
        kubernetes_validate.validate(one, VERSION, strict=True)


def test_every_option_in_the_files_is_one():
    known = {variable(name) for name, *_ in RelayOptions.names()}
    for path in DEPLOY.rglob("*"):
        # gunicorn's file leaves its bytes here when it is run.
        if path.is_file() and path.parent.name not in ("nginx", "__pycache__"):
            named = set(re.findall(r"FREEIM_[A-Z_]+\b", path.read_text()))
            assert named <= known, path


def test_files_copied_into_the_image_are_there():
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE.read_text(), re.M):
        for source in line.split():
            assert (DEPLOY.parent / source).exists(), source


def test_containers_are_given_time_to_drain(monkeypatch):
    monkeypatch.delenv("FREEIM_DRAIN_WINDOW", raising=False)
    for name in ("im-1", "im-2"):
        grace = compose()[name]["stop_grace_period"]
        assert int(grace.rstrip("s")) > gunicorn_conf()["graceful_timeout"]
    data = kubernetes()["ConfigMap", "freeim"]["data"]
    monkeypatch.setenv("FREEIM_DRAIN_WINDOW", data["FREEIM_DRAIN_WINDOW"])
    (container,) = pod()["containers"]
    before = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    graceful = gunicorn_conf()["graceful_timeout"]
    assert pod()["terminationGracePeriodSeconds"] > before + graceful


def test_each_pod_is_a_node_with_an_address_of_its_own():
    objects = kubernetes()
    stateful = objects["StatefulSet", "freeim"]["spec"]
    pods = [f"freeim-{number}" for number in range(stateful["replicas"])]
    servers = objects["ConfigMap", "freeim"]["data"]["FREEIM_SERVERS"]
    assert servers.split(",") == pods
    (container,) = pod()["containers"]
    named = {one["name"]: one.get("valueFrom") for one in container["env"]}
    assert named["FREEIM_SERVER"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    ports = {port["name"] for port in container["ports"]}
    rules = objects["Ingress", "freeim"]["spec"]["rules"]
    template = re.search(r'public_url="(.*?)"', KUBERNETES.read_text())[1]
    options = ImClientOptions(servers=pods, public_url=template)
    for name, rule in zip(pods, rules):
        service = objects["Service", name]["spec"]
        assert service["selector"] == {"statefulset.kubernetes.io/pod-name": name}
        assert {port["targetPort"] for port in service["ports"]} <= ports
        (path,) = rule["http"]["paths"]
        assert path["backend"]["service"]["name"] == name
        url = options.public_url.format(server=name, path=path["path"], token="t")
        assert url == f"wss://{rule['host']}/ws?token=t"
    assert len(rules) == len(pods)
    headless = objects["Service", "freeim"]["spec"]
    assert (headless["clusterIP"], stateful["serviceName"]) == ("None", "freeim")
    labels = stateful["template"]["metadata"]["labels"]
    assert headless["selector"] == labels == stateful["selector"]["matchLabels"]


def test_probes_ask_for_what_the_relay_answers():
    (container,) = pod()["containers"]
    paths = {
        kind: container[kind]["httpGet"]["path"]
        for kind in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert paths == {
        "startupProbe": "/readyz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }


class Composed(Server):
    """A service of the compose file as a process of its own."""

    def __init__(self, name, redis_url, folder):
        service = compose()[name]
        self.port = free_port()
        program, *arguments = command(service["build"]["target"])
        here = {"/etc/freeim/gunicorn.conf.py": str(GUNICORN_CONF)}
        arguments = [here.get(one, one) for one in arguments]
        environ = clean_environ(**service["environment"], TMPDIR=str(folder))
        assert environ["FREEIM_REDIS"] == "redis://redis:6379/0"
        environ["FREEIM_REDIS"] = redis_url
        # Of a name that is given twice gunicorn would take both.
        if "-b" in arguments:
            at = arguments.index("-b")
            arguments[at : at + 2] = []
        arguments += ["-b", f"127.0.0.1:{self.port}"]
        path = "/" if name == "webapi" else "/readyz"
        super().__init__(
            name,
            [sys.executable, "-m", program, *arguments],
            ready=lambda: answers_200(f"127.0.0.1:{self.port}", path),
            environ=environ,
        )


def test_what_the_compose_file_runs_works_together(redis_url, tmp_path):
    """Browsers in all nodes talk by the WebApi; then a node drains."""
    names = ["im-1", "im-2", "webapi"]
    parts = {name: Composed(name, redis_url, tmp_path) for name in names}
    nodes = {
        compose()[name]["environment"]["FREEIM_SERVER"]: parts[name]
        for name in names[:2]
    }
    try:
        for part in parts.values():
            part.start()
        for part in parts.values():
            part.wait_until_ready()
        servers = compose()["im-1"]["environment"]["FREEIM_SERVERS"]
        client = ImClient(redis=redis_url, servers=servers)
        sockets = []
        for number in (1, 2):
            url = client.prev_connect_server(number)
            server = re.match(r"ws://(.*?)/", url)[1]
            address = url.replace(server, f"127.0.0.1:{nodes[server].port}")
            sockets.append(websocket.create_connection(address, timeout=DEADLINE))
        wait_until(lambda: client.has_online([1, 2]) == [True, True], "both are online")
        assert client.send_broadcast_message("all") == 2
        # The WebApi tells everyone when somebody comes or goes.
        for sock in sockets:
            while sock.recv() != '"all"':
                pass
        with closing(HTTPConnection("127.0.0.1", parts["webapi"].port)) as link:
            link.request("GET", "/")
            assert b"<html" in link.getresponse().read()
        for sock in sockets:
            sock.close()
        client.redis.connection_pool.disconnect()
        assert {part.stop() for part in parts.values()} == {0}
    finally:
        for part in parts.values():
            part.terminate()
            part.join(DEADLINE)


def test_image_and_unit_start_the_relay_alike():
    (relay,) = (unit for unit in UNITS if "relay" in unit.name)
    assert shlex.split(settings(relay)["ExecStart"])[1:] == command("relay")[1:]
