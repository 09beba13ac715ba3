"""`python -m demo`: Redis, the relay nodes and the WebApi, with one command."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

from demo.checks import SetupError, check_packages, check_port, check_redis
from demo.part import Part
from demo.parts import address, redis_part, relay_part, webapi_part
from demo.redis_server import find_redis_server, free_port
from demo.supervisor import Supervisor


#: Addresses to listen on that a browser cannot connect to.
WILDCARDS = ("", "0.0.0.0", "::")


def main() -> int:
    """Runs the demo; returns the exit status."""
    options = parse_arguments()
    try:
        check_setup(options)
        with tempfile.TemporaryDirectory(prefix="freeim-demo-") as folder:
            return Supervisor(make_stages(options, folder)).run(
                f"http://{address(options.host, options.port)} is ready: open it in "
                "several browsers; Ctrl-C stops everything"
            )
    except SetupError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        # Before the supervisor took over: nothing was started yet.
        return 0


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--redis", metavar="URL", help="use this Redis, start none")
    parser.add_argument(
        "--host",
        type=listening_host,
        default="127.0.0.1",
        help="address to listen on, as browsers reach it (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=port_number,
        default=5000,
        metavar="N",
        help="port of the page and the WebApi (default: %(default)s)",
    )
    parser.add_argument(
        "--relay-ports",
        type=port_numbers,
        default=[6001, 6002],
        metavar="N,N",
        help="ports of the relay nodes, one node each (default: 6001,6002)",
    )
    parser.add_argument(
        "--data",
        type=os.path.abspath,
        metavar="FOLDER",
        help="keep accounts, messages and files there (default: until Ctrl-C only)",
    )
    return parser.parse_args()


def listening_host(text: str) -> str:
    """Reads --host."""
    if text in WILDCARDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an address that browsers can connect to: name one"
        )
    return text


def port_number(text: str) -> int:
    """Reads --port."""
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: expected 1-65535")
    return int(text)


def port_numbers(text: str) -> list[int]:
    """Reads --relay-ports."""
    ports = [port_number(part.strip()) for part in text.split(",")]
    if len(set(ports)) < len(ports):
        raise argparse.ArgumentTypeError(f"{text!r} names a port twice")
    return ports


def check_setup(options: argparse.Namespace) -> None:
    """Finds out what would fail before anything is started."""
    check_packages()
    if options.port in options.relay_ports:
        raise SetupError(
            f"port {options.port} is both the WebApi's and a relay's: "
            "choose others with --port N or --relay-ports N,N"
        )
    check_port(options.host, options.port, "--port N")
    for port in options.relay_ports:
        check_port(options.host, port, "--relay-ports N,N")
    if options.redis:
        check_redis(options.redis)


def make_stages(options: argparse.Namespace, folder: str) -> list[list[Part]]:
    """Returns everything that the options ask for, in the order of starting."""
    stages, redis = [], options.redis
    if redis is None:
        port = free_port()
        redis = f"redis://127.0.0.1:{port}/0"
        stages.append([redis_part(find_redis_server(), port, folder)])
    servers = [address(options.host, port) for port in options.relay_ports]
    relays = [
        relay_part(number, server, servers, redis)
        for number, server in enumerate(servers, 1)
    ]
    data = options.data or f"{folder}/webapi"
    webapi = webapi_part(options.host, options.port, servers, redis, data)
    return [*stages, [*relays, webapi]]


if __name__ == "__main__":
    sys.exit(main())
