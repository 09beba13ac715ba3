"""A process of an application: changes channels, and publishes at once.

    python -m tests.faults.changer REDIS_URL SERVERS

Each line that it reads is a JSON list of an action, a client, a channel and a message;
`-` ends a round, and is answered.
"""

from __future__ import annotations

import json
import sys

from freeim import ImClient


def main(redis_url, servers):
    client = ImClient(redis=redis_url, servers=servers)
    actions = {"join": client.join_chan, "leave": client.leave_chan}
    for line in sys.stdin:
        if line == "-\n":
            print("done", flush=True)
            continue
        action, client_id, chan, message = json.loads(line)
        actions[action](client_id, chan)
        client.send_chan_message(0, chan, message)


if __name__ == "__main__":
    main(*sys.argv[1:])
