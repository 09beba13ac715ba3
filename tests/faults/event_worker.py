"""A process of an application: joins an event group and notes what it handles.

    python -m tests.faults.event_worker REDIS_URL FILE LEASE_TTL PAUSE

All processes write to the same FILE, a line for each event.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from freeim import ImHelper


def main(url, path, lease_ttl, pause):
    # One write to a file that is appended to is whole, whoever else writes.
    notes = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(kind):
        def handler(event):
            values = (os.getpid(), kind, event.client_id, event.client_meta_data)
            line = " ".join(str(value) for value in (*values, event.sockets))
            os.write(notes, f"{line}\n".encode())
            time.sleep(float(pause))

        return handler

    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    ImHelper.initialization(redis=url, servers=["a"])
    group = ImHelper.event_group(
        "chat", note("online"), note("offline"), lease_ttl=float(lease_ttl)
    )
    print("ready", flush=True)
    signal.sigwait([signal.SIGTERM])
    group.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
