"""Two nodes behind a proxy, and certificates that a test trusts."""

from __future__ import annotations

import pytest
import trustme

from ..running import System, redis_server
from .behind import DEPLOY, NAME, NAMES, ports_of


@pytest.fixture(scope="package")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    server = redis_server(tmp_path_factory.mktemp("redis-proxies")).serve()
    try:
        flags = ["-c", str(DEPLOY / "gunicorn.conf.py")]
        with System(server.url, "gunicorn -k gevent", NAMES, flags=flags) as running:
            running.redis_url = server.url
            yield running
    finally:
        server.stop()


@pytest.fixture
def start(system, authority, tmp_path):
    """Returns what starts a proxy of some kind in front of the nodes."""
    started = []

    def run(kind, application=9, change=str, nodes=None, hosts=(NAME, "127.0.0.1")):
        folder = tmp_path / f"proxy-{len(started)}"
        folder.mkdir()
        certificate = authority.issue_cert(*hosts)
        ports = (*(nodes or ports_of(system)), application)
        proxy = kind(folder, ports, certificate, change)
        started.append(proxy)
        return proxy.serve()

    yield run
    for proxy in started:
        proxy.stop()
