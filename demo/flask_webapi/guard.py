"""Who is asking, and whether this application's own page asks for them.

The sender of everything is the user of the session: no form and no address says who
somebody is. The session is in a signed cookie that scripts cannot read and that other
sites' forms do not carry (SameSite=Lax). In addition a request that changes something
needs what another site's page cannot send without being asked first (CORS): a body of
JSON, or the header `X-Requested-With: freeim`.
"""

from __future__ import annotations

from flask import Flask, Response, current_app, request, session

from .database import db
from .errors import Refused
from .models import User


#: Bytes of a body of JSON or of a form; the text of a message is much shorter.
LONGEST_BODY = 64 * 1024

#: The account that may send people away and speak to all, in demo mode.
ADMIN = "admin"

#: The endpoints that need no session; every other one of a blueprint does.
FOR_EVERYBODY = {"accounts.sign_in", "accounts.sign_out"}

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def guard(app: Flask) -> None:
    """Has an application check each request, and send its headers with each answer."""
    app.config.update(
        SESSION_COOKIE_NAME="freeim-demo",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    app.before_request(check_page)
    app.before_request(check_length)
    app.before_request(check_session)
    app.after_request(add_headers)


def me() -> User:
    """Returns the user of the session."""
    user = db().get(User, session.get("user", 0))
    if user is None:
        raise Refused(401, "not_signed_in", "sign in first")
    return user


def admin() -> User:
    """Returns the user of the session, who is the administrator."""
    user = me()
    if not is_admin(user):
        raise Refused(403, "not_admin", "only an administrator may do this")
    return user


def is_admin(user: User) -> bool:
    """Tells whether a user is the administrator."""
    return current_app.config["DEMO_MODE"] and user.folded == ADMIN


def check_page() -> None:
    """Refuses what may come from another site's page."""
    changes = request.method not in ("GET", "HEAD", "OPTIONS")
    if request.headers.get("X-Requested-With") == "freeim":
        return
    # A GET of the original's endpoints changes something, too.
    if request.path.startswith("/ws/") or (changes and not request.is_json):
        raise Refused(
            403, "not_our_page", "send JSON, or the header X-Requested-With: freeim"
        )


def check_length() -> None:
    """Refuses what is too long, before it is read; uploads have a cap of their own."""
    if request.endpoint == "files.upload":
        return
    if request.content_length is None and request.headers.get("Transfer-Encoding"):
        raise Refused(411, "no_length", "a length is required")
    if (request.content_length or 0) > LONGEST_BODY:
        raise Refused(413, "too_big", f"at most {LONGEST_BODY} bytes")


def check_session() -> None:
    """Refuses those who are not signed in, whatever they ask for."""
    if request.blueprint is not None and request.endpoint not in FOR_EVERYBODY:
        me()


def add_headers(response: Response) -> Response:
    """Tells browsers what this site's answers may do."""
    response.headers.update(HEADERS)
    if request.path.startswith(("/api/", "/ws/")):
        response.headers.setdefault("Cache-Control", "no-store")
    return response
