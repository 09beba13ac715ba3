"""What tests behind a proxy share: the proxy as deployed, and what goes through it."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path

import websocket

from demo.redis_server import free_port
from freeim import ImClient

from ..running import Server, clean_environ, wait_until


DEPLOY = Path(__file__).parent.parent.parent / "deploy"
NAMES = ("im-1", "im-2")
NAME = "im.example.com"


def program(name):
    """Returns a proxy's program; Debian has some where only root looks."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


class Proxy(Server):
    """A proxy with its deployed configuration; only ports and paths are others."""

    #: The program, the file in deploy/, and Debian's package.
    name, conf, package = "", Path(), ""
    #: What stands in the file, and what does here, as a template; beside the folder of
    #: the certificate and the upstreams, which are the same in all.
    places = {}

    def __init__(self, folder, upstreams, certificate, change=str):
        """Takes the ports of im-1, im-2 and the application; may change the text."""
        self.folder = folder
        self.port, self.plain_port = free_port(), free_port()
        self._write_certificate(certificate)
        self.file = folder / self.conf.name
        self.file.write_text(change(self._text(upstreams)))
        super().__init__(
            self.name,
            [program(self.name), *self.arguments()],
            ready=lambda: status_of(self.plain_port) in (301, 308),
            environ=clean_environ(**self.environ()),
        )

    def arguments(self):
        """Returns what stands behind the program."""
        raise NotImplementedError

    def environ(self):
        """Returns what it needs in its environment."""
        return {}

    def logged(self):
        """Returns everything that it wrote down."""
        return self.log + "".join(
            path.read_text() for path in sorted(self.folder.glob("*.log"))
        )

    def _write_certificate(self, certificate):
        key, chain = certificate.private_key_pem, certificate.cert_chain_pems
        key.write_to_path(str(self.folder / "privkey.pem"))
        certificate.private_key_and_cert_chain_pem.write_to_path(
            str(self.folder / "both.pem")
        )
        for number, pem in enumerate(chain):
            path = str(self.folder / "fullchain.pem")
            pem.write_to_path(path, append=number > 0)

    def _text(self, upstreams):
        text = self.conf.read_text(encoding="utf-8")
        given = {"folder": self.folder, "port": self.port, "plain": self.plain_port}
        changes = {
            **{old: new.format(**given) for old, new in self.places.items()},
            f"/etc/ssl/{NAME}/": f"{self.folder}/",
            **{
                f"127.0.0.1:{old}": f"127.0.0.1:{new}"
                for old, new in zip((6001, 6002, 5000), upstreams)
            },
        }
        for old in changes:
            assert old in text, f"{self.conf.name} has no {old}"
        # At one go: what is put in may look like what is looked for.
        found = "|".join(map(re.escape, changes))
        return re.sub(found, lambda match: changes[match[0]], text)


def status_of(port):
    """Returns the status of an answer by plain HTTP, if there is one."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=2)) as link:
        with suppress(OSError):
            link.request("GET", "/", headers={"Host": NAME})
            return link.getresponse().status
    return None


def ports_of(system):
    """Returns the ports of all nodes."""
    return [int(node.address.rpartition(":")[2]) for node in system.nodes]


def public_url(proxy):
    """Returns the application's side of it, as it stands in the file."""
    written = f'public_url="wss://{NAME}/{{server}}/ws?token={{token}}"'
    assert written in proxy.conf.read_text(encoding="utf-8")
    return f"wss://{NAME}:{proxy.port}/{{server}}/ws?token={{token}}"


def helper(system, proxy):
    """Returns a helper whose clients come by the proxy."""
    return ImClient(redis=system.redis_url, servers=NAMES, public_url=public_url(proxy))


def trust(authority):
    """Returns a TLS context that believes the tests' certificates."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def browse(proxy, authority, url, header=None):
    """Opens a WebSocket as a browser on a page of that name does."""
    # The name leads nowhere here: the connection is made by hand, TLS is for the name.
    link = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
    return websocket.create_connection(
        url,
        timeout=10,
        socket=trust(authority).wrap_socket(link, server_hostname=NAME),
        origin=f"https://{NAME}:{proxy.port}",
        header={
            "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0",
            "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
            "Accept-Encoding": "gzip, deflate, br",
            "Cache-Control": "no-cache",
            **(header or {}),
        },
    )


def doctor(system, proxy, authority, *arguments):
    """Walks through a proxy; the name in the certificate is the address here."""
    ca = proxy.folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    url = f"wss://127.0.0.1:{proxy.port}/{{server}}/ws?token={{token}}"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "freeim", "doctor", "--token-from-redis"),
            *("--redis", system.redis_url, "--servers", ",".join(NAMES)),
            *("--public-url", url, "--ca", str(ca), "--json", *arguments),
        ],
        capture_output=True,
        text=True,
        env=clean_environ(),
        timeout=60,
    )
    assert done.stderr == ""
    walks = json.loads(done.stdout)["walks"]
    return done.returncode, [walk["hops"] for walk in walks]


def online_at(system, client, client_id):
    """Returns the names of the nodes that hold a client, once one does."""
    wire = client.wire

    def found():
        nodes = [node.decode() for node in system.redis.hkeys(wire.nodes_key)]
        return [
            node.rpartition(":")[0]
            for node in nodes
            if system.redis.hget(wire.node_key(node), str(client_id))
        ]

    return wait_until(found, f"client {client_id} is online")
