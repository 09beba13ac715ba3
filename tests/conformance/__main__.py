"""Runs Autobahn's test suite against the relay's connections, from nothing.

    tests/conformance/run [--way WAY] [GROUP …]

Installs the suite for a Python 2.7, starts the echo of `echo.py` in both gunicorn ways,
runs the suite's client against it and prints what came of each group. The exit status
is 1 if a case failed, 2 if something is missing. A group is a number, such as 7.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import sys
from collections import Counter, defaultdict
from pathlib import Path

from demo.parts import GUNICORN
from demo.redis_server import free_port

from ..running import WEBSOCKET_WORKER, Server, clean_environ
from . import suite


ROOT = Path(__file__).parent.parent.parent

#: The suite, and its reports; not in the repository.
FOLDER = ROOT / ".conformance"

ECHO = "tests.conformance.echo:app"

#: gevent-websocket's worker answers the handshake itself, and knows no extensions.
WAYS = {"gunicorn -k gevent": "gevent", "GeventWebSocketWorker": WEBSOCKET_WORKER}
COMPRESSING = "gunicorn -k gevent"

#: Framing, pings, reserved bits, opcodes, fragments, UTF-8, closing, sizes, pieces; and
#: compression.
GROUPS = (1, 2, 3, 4, 5, 6, 7, 9, 10)
COMPRESSION = (12, 13)

#: Offers of a smaller window for what the server sends, and of nothing else. We decline
#: them, as a message is compressed once for all; they may be "unimplemented".
DECLINED = ("13.3.", "13.5.")

#: What a case may come to, and its closing; all else has failed.
GOOD = ("OK", "NON-STRICT", "INFORMATIONAL")


def main():
    parser = argparse.ArgumentParser("tests/conformance/run")
    parser.add_argument("--way", choices=WAYS, help="only this way to run")
    parser.add_argument("group", nargs="*", type=int, help="only these groups")
    asked = parser.parse_args()
    ways = [asked.way] if asked.way else list(WAYS)
    try:
        python = suite.python27()
        suite.install(python, FOLDER / "suite")
    except suite.Missing as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    failed = 0
    for way in ways:
        groups = GROUPS + (COMPRESSION if way == COMPRESSING else ())
        groups = [group for group in groups if group in (asked.group or groups)]
        print(way, flush=True)
        failed += report(run(python, way, groups))
    print(f"FAILED {failed}")
    return 1 if failed else 0


def run(python, way, groups):
    """Returns the outcomes of groups of cases in one way to run."""
    reports = FOLDER / "reports" / WAYS[way].rsplit(".", 1)[-1]
    shutil.rmtree(reports, ignore_errors=True)
    port = free_port()
    address = f"127.0.0.1:{port}"
    command = [*GUNICORN, "-k", WAYS[way], "-b", address, ECHO]
    server = Server("echo", command, lambda: listens(port), clean_environ()).serve()
    try:
        cases = [f"{group}.*" for group in groups]
        url = f"ws://{address}/ws?token=any"
        return suite.run(python, FOLDER / "suite", url, cases, reports)
    finally:
        server.stop()
        (reports / "server.log").write_text(server.log)


def listens(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def report(outcomes):
    """Prints how the cases of each group ended; returns how many failed."""
    groups, failed = defaultdict(Counter), 0
    for case, outcome in outcomes.items():
        kind = outcome["behavior"]
        if kind == "UNIMPLEMENTED" and case.startswith(DECLINED):
            groups[int(case.split(".")[0])]["declined"] += 1
            continue
        # The closing is judged by itself.
        if kind in GOOD and outcome["behaviorClose"] not in GOOD:
            kind = f"FAILED (close: {outcome['behaviorClose']})"
        groups[int(case.split(".")[0])][kind] += 1
        if kind not in GOOD:
            failed += 1
            print(f"  {case}: {kind}")
        elif kind == "NON-STRICT":
            print(f"  {case}: {kind}")
    for group, counts in sorted(groups.items()):
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
        print(f"  group {group:2}: {sum(counts.values()):3} cases: {kinds}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
