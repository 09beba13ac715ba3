"""What can be wrong from the handshake on: hop by hop, kind → cause and fix.

Texts are filled in with the evidence of the fault; see the callers of `Fault`.
"""

from __future__ import annotations

from .findings import Diagnosis


__all__ = ["CLOSE", "IDLE", "MESSAGE", "NODE", "PING", "RECEIPT", "TOKEN", "UPGRADE"]

#: What nginx needs in the location of a socket.
NGINX = (
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
    'proxy_set_header Connection "upgrade";'
)

RESTARTED = Diagnosis(
    "the relay was stopped, or its worker replaced",
    "set gunicorn's max_requests to 0; walk again if it was a restart",
)

UPGRADE = {
    "tls_port": Diagnosis(
        "the address says ws:// but the port at {authority} speaks TLS",
        "begin public_url with wss://",
    ),
    "not_http": Diagnosis(
        "another program is at {authority}, or the port speaks TLS and the address "
        "says ws://",
        "check the port; behind TLS begin public_url with wss://",
    ),
    "silent": Diagnosis(
        "the proxy waits for its upstream, or the relay's worker hangs",
        "ask /healthz of the relay directly; check the proxy's upstream",
    ),
    "page": Diagnosis(
        "a web page answers at {authority}{path}, not a relay: the wrong port or host, "
        "or a proxy that leads this path to the application",
        "let public_url lead to the relay's port, or give the proxy a location for "
        "{path} that leads to the relay",
    ),
    "redirect": Diagnosis(
        "the proxy redirects to {location}, which no WebSocket follows",
        "let public_url begin with wss:// and have exactly the path of the location",
    ),
    "no_upgrade": Diagnosis(
        "a proxy dropped the headers Upgrade and Connection: the relay got a plain "
        "HTTP request",
        f"nginx: {NGINX}",
    ),
    "login": Diagnosis(
        "a proxy wants a login for {path}, which no WebSocket gives",
        "take the login (auth_basic, auth_request) off the location of the sockets",
    ),
    "origin": Diagnosis(
        "the page's origin is not in the relay's allowed_origins",
        "add the origin, as scheme://host[:port], to FREEIM_ALLOWED_ORIGINS; walk with "
        "--origin to try another",
    ),
    "forbidden": Diagnosis(
        "a proxy or firewall forbids {path}: a rule by address, origin or path",
        "look for deny, allow or a WAF's rule at {authority} and except the sockets' "
        "path",
    ),
    "not_found": Diagnosis(
        "nobody serves {path} at {authority}: the relay's path_match is another, or "
        "the proxy has no location for it",
        "make FREEIM_PATH_MATCH of relay and application the same, and the proxy "
        "rewrite to it: proxy_pass http://127.0.0.1:6001/ws;",
    ),
    "limited": Diagnosis(
        "a limit on connections was reached, the proxy's or the relay's",
        "raise limit_conn or limit_req for the sockets' path, or the relay's caps",
    ),
    "bad_gateway": Diagnosis(
        "the proxy cannot reach the relay: it is down, or at another address than the "
        "proxy's upstream",
        "start the relay; compare its --bind with proxy_pass (in a container "
        "127.0.0.1 is the container itself)",
    ),
    "relay_without_redis": Diagnosis(
        "the relay runs but cannot reach its Redis",
        "check FREEIM_REDIS of the relay from its machine; its log says why",
    ),
    "draining": Diagnosis("the relay is being stopped", "walk again when it is back"),
    "unavailable": Diagnosis(
        "no relay to take the socket: a cap was reached, or the proxy has none up",
        "look at /readyz and /metrics of the relay, and the proxy's upstream",
    ),
    "status": Diagnosis(
        "something before the relay answered {status}",
        "look for the request in the logs of the proxy at {authority}, then the "
        "relay's",
    ),
}

TOKEN = {
    "refused": Diagnosis(
        "the token had expired or was used before: by a second handshake, or after "
        "more than token_ttl seconds",
        "fetch an address for each connection just before it; let no proxy try a "
        "handshake twice (proxy_next_upstream off)",
    ),
    "not_taken": Diagnosis(
        "the relay looks for tokens elsewhere: the token is still unused in the Redis "
        "of the application",
        "give the relay the application's FREEIM_REDIS, FREEIM_PATH_MATCH, "
        "FREEIM_DIALECT and FREEIM_KEY_PREFIX",
    ),
    "closed": Diagnosis(
        "the socket opened and ended at once: a proxy that passes the 101 on and "
        "nothing else, or a relay that is being stopped",
        "look into the proxy's error log; try the relay's own address",
    ),
    "silent": Diagnosis(
        "frames do not get through: a proxy passes the 101 on and nothing else",
        "turn off request and response buffering for the sockets' path; try the "
        "relay's own address",
    ),
}

NODE = {
    "restarted": RESTARTED,
    "misrouted": Diagnosis(
        "application and relays list servers in another order, public_url leads to the "
        "wrong node, or the proxy mixes the nodes up",
        "give all parts the same FREEIM_SERVERS in the same order; let the address of "
        "{expected!r} lead to the relay with FREEIM_SERVER={expected}",
    ),
    "unknown_name": Diagnosis(
        "the relay calls itself {answered!r}, and the application sends to {servers}: "
        "messages for its clients go where nobody listens",
        "put FREEIM_SERVER={answered} into FREEIM_SERVERS of all parts, or rename it: "
        "names must be the same everywhere, addresses need not",
    ),
    "not_counted": Diagnosis(
        "the relay has not counted the socket within its time: its Redis is slow or "
        "gone",
        "look at the relay's /readyz, log and freeim_redis_failures_total",
    ),
    "closed": Diagnosis(
        "the relay let the socket in and gave it up", "look into the relay's log"
    ),
}

MESSAGE = {
    "restarted": RESTARTED,
    "nobody_listens": Diagnosis(
        "no relay is subscribed to {channel!r}: Server and Servers differ, or relays "
        "and application have different Redis servers, path_match or key_prefix",
        "give the relay FREEIM_SERVER={server}, and all parts the same FREEIM_SERVERS",
    ),
    "not_received": Diagnosis(
        "{count} relay processes took the message, but nothing came through the "
        "socket: a proxy holds frames back, or the socket is at another node",
        "turn off buffering for the sockets' path; look for 'its messages go to' in "
        "the relay's log",
    ),
    "closed": Diagnosis(
        "the socket ended when the message came: something on the way does not let "
        "frames through",
        "try the relay's own address",
    ),
}

RECEIPT = {
    **MESSAGE,
    "not_received": Diagnosis(
        "messages come through but no relay answers receipts",
        "the relay's log says who holds its lock file: all processes of one server on "
        "one machine, with one TMPDIR",
    ),
}

PING = {
    "restarted": RESTARTED,
    "no_pong": Diagnosis(
        "something on the way lets no ping through, or no answer",
        "let the proxy tunnel the socket instead of inspecting frames",
    ),
    "closed": Diagnosis(
        "the socket ended at a ping: a proxy takes it for a fault",
        "let the proxy tunnel the socket instead of inspecting frames",
    ),
}

IDLE = {
    "cut": Diagnosis(
        "a proxy or a load balancer cut the socket after it was idle for {seconds}",
        "nginx: proxy_read_timeout and proxy_send_timeout well over ping_interval; or "
        "FREEIM_PING_INTERVAL below what the proxy allows",
    ),
    "silent": Diagnosis(
        "the relay heard no answer to its pings: something eats them",
        "let the proxy tunnel the socket instead of inspecting frames",
    ),
    "restarted": RESTARTED,
    "closed": Diagnosis(
        "the relay or a proxy closed the socket", "look the code up in close-codes.md"
    ),
}

CLOSE = {
    "lost": Diagnosis(
        "the connection ended without the close frame: a proxy drops it, so pages see "
        "1006 and come back after a kick",
        "let the proxy pass both directions on until the end (TCP half-close)",
    ),
    "no_close": Diagnosis(
        "nothing closed the socket: the kick or the close frame did not get through",
        "look into the relay's log; try the relay's own address",
    ),
}
