"""Forks a process whose helper has been used, and uses it in both: a program.

`python -m tests.faults.forking URL`, once each client's channel says its owner.
"""

from __future__ import annotations

import os
import sys
import threading

from freeim import ImClient


#: Clients, each in a channel of its own name; calls each process makes.
PARENT, CHILD, CALLS = 1, 2, 1000

#: Of each process.
THREADS = 4


def main(url):
    client = ImClient(redis=url, servers=["127.0.0.1:6001"])
    # The pool holds several connections when the process forks, some of them at work.
    stopping = threading.Event()
    busy = [
        threading.Thread(target=_work, args=(client, stopping)) for _ in range(THREADS)
    ]
    for thread in busy:
        thread.start()
    _call(client, PARENT, 100)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = _call_in_threads(client, CHILD)
        finally:
            os._exit(status)
    wrong = _call_in_threads(client, PARENT)
    stopping.set()
    for thread in busy:
        thread.join()
    _, status = os.waitpid(pid, 0)
    print(f"parent {wrong}, child {os.WEXITSTATUS(status)} threads went wrong")
    return wrong or status


def _work(client, stopping):
    while not stopping.is_set():
        _call(client, PARENT, 1)


def _call_in_threads(client, client_id):
    """Returns how many threads did not get what they asked for."""
    wrong = []

    def call():
        try:
            _call(client, client_id, CALLS // THREADS)
        except BaseException as error:
            wrong.append(error)
            raise

    threads = [threading.Thread(target=call) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(wrong)


def _call(client, client_id, calls):
    for _ in range(calls):
        chans = client.get_chan_list_by_client_id(client_id)
        assert chans == [str(client_id)], f"{client_id} got {chans}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
