"""The recipes for background workers: real ones, with Redis as their broker."""

from __future__ import annotations

import json

import pytest

from .serving import Recipe


def broker(system):
    """Returns another database of the same Redis, which may hold what it likes."""
    return system.client.options.redis.rpartition("/")[0] + "/1"


def test_celery(system, tmp_path):
    pytest.importorskip("celery")
    recipe = Recipe("recipes/celery.md", tmp_path, system)
    sock = system.connect(2)
    address = {"CELERY_BROKER": broker(system)}
    for rows in ([-5, 2], [4, 5]):
        recipe.run(
            ["-m", "celery", "-A", "tasks", "call", "tasks.report"]
            + ["--args", json.dumps([2, rows])],
            **address,
        )
    worker = recipe.serve(
        ["-m", "celery", "-A", "tasks", "worker", "-c", "1", "-l", "info"]
        + ["--without-gossip", "--without-mingle"],
        lambda: True,
        **address,
    )
    # The first task fails, and only the second is heard of.
    assert json.loads(sock.recv()) == {"type": "report", "state": "begun"}
    assert json.loads(sock.recv()) == {"type": "report", "state": "done", "total": 9}
    worker.stop()
    assert "total -3 is negative" in worker.log


def test_rq(system, tmp_path):
    pytest.importorskip("rq")
    recipe = Recipe("recipes/rq.md", tmp_path, system)
    sock = system.connect(2)
    address = {"RQ_REDIS_URL": broker(system)}
    for picture in ("cat.txt", "cat.png"):
        recipe.run(["enqueue.py", "2", picture], **address)
    recipe.run(["-m", "rq.cli", "worker", "--burst"], **address)
    assert json.loads(sock.recv()) == {"type": "picture", "name": "cat.png"}
