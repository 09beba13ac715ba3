"""gunicorn's settings for a relay node.

`gunicorn -c gunicorn.conf.py freeim.relay_wsgi:app`

What each is for is in docs/deployment.md. gunicorn ignores a name that its version does
not know.
"""

import logging
import os


#: Options that only the relay checks; here its default will do for a bad one.
try:
    drain_window = float(os.environ.get("FREEIM_DRAIN_WINDOW") or 5)
except ValueError:
    drain_window = 5.0

bind = os.environ.get("BIND", "0.0.0.0:6001")

# The relay is made of greenlets.
worker_class = "gevent"

# One process a node: more nodes, rather than more workers, share the direct messages.
workers = 1

# Requests and connections in their handshake, not WebSockets: the relay takes each
# socket over and ends its request.
worker_connections = 1000

# Handshakes that wait to be accepted when many come at once; net.core.somaxconn caps
# it.
backlog = 2048

# Every handshake is a request: at the limit all sockets of the worker would be closed.
max_requests = 0

# A request head must be here within this time; 0 would wait for ever.
keepalive = 5

# Longer than a drain: drain_window, 3 s for browsers that do not answer, 2 s for Redis.
graceful_timeout = int(drain_window + 10)

# How long the worker may not answer gunicorn. Open sockets do not count.
timeout = 30

# Nothing to save, and each worker would build its relay at its first request only.
preload_app = False

# With it a new generation and the old one would each get a share of the connects that
# wait, and those of the one that closes would be lost.
reuse_port = False

# A file that is touched every second must not wait for a disk.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None

# gunicorn ≥ 25 opens a control socket at one path for all gunicorns of a user.
control_socket_disable = True

# The default shows the query string, and with it tokens.
access_log_format = "%(h)s %(m)s %(U)s %(s)s"


def post_fork(server, worker):
    """Has the relay's own log shown, with times."""
    logging.basicConfig(
        level=os.environ.get("LOG_LEVEL", "INFO"),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
