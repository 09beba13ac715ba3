"""What can be wrong before the relay is reached: hop by hop, kind → cause and fix.

Texts are filled in with the evidence of the fault; see the callers of `Fault`.
"""

from __future__ import annotations

from .findings import Diagnosis


__all__ = ["ADDRESS", "APPLICATION", "DNS", "REDIS", "TCP", "TLS"]

REDIS = {
    "refused": Diagnosis("Redis wants a login that the URL does not give", "{remedy}"),
    "unreachable": Diagnosis("no Redis can be used at this URL", "{remedy}"),
    "lost": Diagnosis(
        "Redis answered first and then no more", "look into the log of redis-server"
    ),
}

APPLICATION = {
    "refused": Diagnosis(
        "the application does not run there",
        "start it, or give the URL that its page asks for addresses",
    ),
    "timeout": Diagnosis(
        "the application hangs, or a firewall drops what is sent to it",
        "open the URL from this machine by other means; look into the application's "
        "log",
    ),
    "unreachable": Diagnosis(
        "the name is unknown here, or there is no route to it",
        "check the host {host!r} in the URL",
    ),
    "tls": Diagnosis(
        "the application's certificate is not one that browsers trust",
        "give the server its full chain, or name your own authority by --ca FILE",
    ),
    "tls_not_tls": Diagnosis(
        "the port speaks plain HTTP", "ask http://, or the port that speaks TLS"
    ),
    "not_http": Diagnosis(
        "another program, or TLS, is at this port", "check the port and https://"
    ),
    "login": Diagnosis(
        "the endpoint is for users who are logged in, or wants a CSRF token",
        "pass a session on: --header 'Cookie: …'; or walk with --token-from-redis",
    ),
    "redirect": Diagnosis(
        "the endpoint is elsewhere, or sends strangers to its login page",
        "give the URL that is redirected to, or --header 'Cookie: …'",
    ),
    "status": Diagnosis(
        "the endpoint wants another request, or it failed: at 500 or 503 often "
        "because prev_connect_server could not reach Redis",
        "give --method and --data NAME=VALUE as the page does; look into the "
        "application's log",
    ),
    "not_json": Diagnosis(
        "this URL is a page and not the endpoint that gives addresses",
        "give the URL that the page's script asks for addresses",
    ),
    "no_address": Diagnosis(
        "the endpoint answers something else",
        "answer {{'server': ImHelper.prev_connect_server(…)}}, or 'url'",
    ),
    "other_redis": Diagnosis(
        "the application writes its tokens into another Redis, database, path_match, "
        "dialect or key_prefix than the one looked at, or they have expired",
        "give application, relays and doctor the same FREEIM_REDIS, FREEIM_PATH_MATCH, "
        "FREEIM_DIALECT and FREEIM_KEY_PREFIX",
    ),
}

ADDRESS = {
    "malformed": Diagnosis(
        "public_url, or a name in servers, does not make a URL",
        "an IPv6 address stands in brackets, [::1]:6001; no blank and no # anywhere",
    ),
    "scheme": Diagnosis(
        "public_url lacks the scheme that new WebSocket() wants",
        "begin public_url with wss:// behind TLS, else with ws://",
    ),
    "mixed": Diagnosis(
        "a browser opens no ws:// from a page that came by https://",
        "put TLS in front of the relays and set "
        "public_url='wss://{authority}/{{server}}/ws?token={{token}}'",
    ),
    "wildcard": Diagnosis(
        "{host} is where a relay listens, not an address to connect to",
        "name the relay in servers by an address that browsers reach, or set "
        "public_url; 0.0.0.0 belongs into --bind only",
    ),
    "loopback": Diagnosis(
        "servers holds inside addresses, and the browser gets them",
        "set public_url to the outside address, "
        "'wss://im.example.com/{{server}}/ws?token={{token}}': servers are only names",
    ),
    "no_token": Diagnosis(
        "public_url has no {{token}}, or the application cut it off",
        "end public_url with ?token={{token}} and give the address as it is",
    ),
}

DNS = {
    "unknown": Diagnosis(
        "the name has no DNS record, or is known inside only: a container's, or a "
        "relay's name in servers",
        "make a record for {host!r}, or set public_url to the name that browsers use",
    ),
}

TCP = {
    "refused": Diagnosis(
        "nothing listens at {where}: the relay is down, listens at another port or at "
        "127.0.0.1 only, or its container's port is published under another number",
        "start the relay with -b 0.0.0.0:{port}, publish that port (docker -p "
        "{port}:{port}), or set public_url to the port that is published",
    ),
    "timeout": Diagnosis(
        "a firewall or a cloud's security group drops what is sent to {where}, or the "
        "address is an inside one",
        "open port {port}, or set public_url to the address that is reached from here",
    ),
    "unreachable": Diagnosis(
        "there is no route from here to {where}: an inside address",
        "set public_url to the address that browsers reach",
    ),
}

TLS = {
    "not_tls": Diagnosis(
        "the address says wss:// but the port speaks plain HTTP: the relay itself, "
        "without a proxy that speaks TLS",
        "let public_url lead to the proxy's TLS port (443), the proxy to the relay; or "
        "give gunicorn --certfile and --keyfile",
    ),
    "untrusted": Diagnosis(
        "the certificate is self-signed, or its chain is not complete; browsers refuse "
        "it without asking, as there is no page to ask on",
        "use a certificate of a public authority with its full chain "
        "(ssl_certificate fullchain.pem), or name your own by --ca FILE",
    ),
    "expired": Diagnosis(
        "the certificate has expired, or is not valid yet",
        "renew it and reload the proxy; check this machine's clock",
    ),
    "other_name": Diagnosis(
        "the certificate is for another name than {host!r}; an IP address has one only "
        "if it was asked for",
        "let public_url use the certificate's name, or get one for {host!r}",
    ),
    "certificate": Diagnosis(
        "the certificate cannot be verified", "get one of a public authority"
    ),
    "broken": Diagnosis(
        "the other side ended TLS at once: no TLS at this port, no certificate for "
        "{host!r}, or only versions that nobody speaks any more",
        "look into the proxy's error log; check server_name, listen … ssl, and "
        "ssl_protocols",
    ),
}
