"""A helper that was used before its process forked works in parent and child."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter

import pytest

from freeim import ImClient

from .application import get, webapi
from .forking import CALLS, CHILD, PARENT
from .webapi import EARLY, SERVERS


pytestmark = pytest.mark.faults

#: Python warns of forks among threads, which are what is tested.
PROGRAM = [
    *(sys.executable, "-W", "ignore::DeprecationWarning"),
    *("-m", "tests.faults.forking"),
]


@pytest.fixture
def client(redis_url):
    client = ImClient(redis=redis_url, servers=SERVERS)
    yield client
    client.redis.close()


def test_answers_are_never_mixed_up_between_parent_and_child(redis_url, client):
    for owner in (PARENT, CHILD):
        client.join_chan(owner, str(owner))
    # Where the threads are when it forks differs each time.
    for _ in range(5):
        done = subprocess.run(
            [*PROGRAM, redis_url],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stdout.decode()
        assert done.stdout == b"parent 0, child 0 threads went wrong\n"


def test_a_preloaded_application_uses_it_in_all_workers(redis_url, client):
    owners = range(1, 9)
    for owner in owners:
        client.join_chan(owner, str(owner))
    wrong, asked = [], Counter()

    def ask(owner):
        # Many calls a request, so that the workers' calls meet.
        for _ in range(CALLS // 50):
            answer = get(app, f"/chans/{owner}/50")
            asked[answer["pid"]] += 50
            wrong.extend(chans for chans in answer["chans"] if chans != [str(owner)])

    with webapi(redis_url, "--preload", **{EARLY: "1"}) as app:
        threads = [threading.Thread(target=ask, args=(owner,)) for owner in owners]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"{sum(asked.values())} calls, by worker {sorted(asked.values())}")
        assert wrong == []
        assert len(asked) == 4
        assert "Traceback" not in app.log, app.log
