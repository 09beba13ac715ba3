"""Two relay nodes for all tests of the doctor, and what walks to them."""

from __future__ import annotations

import json

import pytest
import trustme

from freeim.doctor.command import doctor

from ..running import System, redis_server


@pytest.fixture(scope="session")
def system(tmp_path_factory):
    server = redis_server(tmp_path_factory.mktemp("redis-doctor")).serve()
    try:
        with System(server.url, "gunicorn -k gevent", ("im-1", "im-2")) as running:
            running.redis_url = server.url
            yield running
    finally:
        server.stop()


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
def ca(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


class Result:
    """What a walk found: its exit status, its walks, and the text of all."""

    def __init__(self, status, text):
        self.status, self.text = status, text
        self.walks = json.loads(text)["walks"]

    @property
    def hops(self):
        """The hops of the first walk, by name."""
        return {hop["name"]: hop for hop in self.walks[0]["hops"]}

    def fails_at(self, hop, kind, cause, fix):
        """Asserts which hop fails, and that everything before it does not."""
        *before, last = self.walks[0]["hops"]
        assert (last["name"], last["status"]) == (hop, "failed"), self.text
        assert last["kind"] == kind, last
        assert cause in last["cause"], last
        assert fix in last["fix"], last
        assert [one for one in before if one["status"] == "failed"] == []
        assert self.status == 1


@pytest.fixture
def examine(system):
    """Returns what runs the doctor with the options of the system's helper."""

    def run(url=None, **arguments):
        options = {
            "redis": system.redis_url,
            "servers": ["im-1", "im-2"],
            "public_url": system.client.options.public_url,
            **arguments.pop("helper", {}),
        }
        lines = []
        settings = {"idle": 0.05, "timeout": 2.0, **arguments}
        status = doctor(
            url,
            token_from_redis=url is None,
            helper=options,
            json_output=True,
            write=lines.append,
            **settings,
        )
        return Result(status, "\n".join(lines))

    return run
