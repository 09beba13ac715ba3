"""Every endpoint: who is asking, and from where."""

from __future__ import annotations

import json

import pytest
from flask import Flask

from demo.flask_webapi import BLUEPRINTS, demo_only

from .site import FORM, JSON, OURS, Page, ask


def endpoints():
    """Returns method and path of everything that there is under /api and /ws."""
    app = Flask("everything", static_folder=None)
    for blueprint in (*BLUEPRINTS, demo_only):
        app.register_blueprint(blueprint)
    return sorted(
        (method, rule.rule.replace("<int:file_id>", "1"))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    )


ALL = endpoints()
CHANGING = [one for one in ALL if one[0] == "POST" or one[1].startswith("/ws/")]


def test_there_is_something_to_test():
    assert len(ALL) > 30 and len(CHANGING) > 20


@pytest.mark.parametrize(
    "method, path", [one for one in ALL if not one[1].startswith("/api/sign-")]
)
def test_without_a_session_nothing_is_done(site, method, path):
    headers = {**JSON, **OURS} if path.startswith("/api") else FORM
    response, body = ask(site.port, method, path, "{}", headers)
    assert (response.status, json.loads(body)["error"]) == (401, "sign in first")


@pytest.mark.parametrize("method, path", CHANGING)
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain"])
def test_what_another_sites_form_can_send_is_refused(enter, method, path, kind):
    response, body = enter("Ada").ask(method, path, "{}", {"Content-Type": kind})
    assert response.status == 403
    assert "X-Requested-With" in json.loads(body)["error"]


def test_a_forged_session_is_none(site, enter):
    ada = enter("Ada")
    ada.cookie = "freeim-demo=eyJ1c2VyIjoxfQ.awWv9A.QxjYtl_u78pgez25UgPqueev0pc"
    assert ada.get("/api/me")[0] == 401


def test_the_session_is_out_of_reach_of_scripts_and_of_other_sites(enter):
    attributes = enter("Ada").set_cookie.split("; ")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)


def test_the_key_of_the_sessions_is_ours_alone(site, enter):
    enter("Ada")
    key = site.folder / "secret-key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(key.read_bytes()) == 32
    assert [one.name for one in site.folder.glob("secret-key*")] == ["secret-key"]


@pytest.mark.parametrize("path", ["/", "/api/me", "/nothing", "/ws/offline"])
def test_every_answer_says_what_a_page_may_do(site, path):
    headers = ask(site.port, "GET", path)[0].headers
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    "body, status",
    [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        ("null", 400),
        ('{"name": 7}', 400),
        ('{"name": ""}', 400),
        ('{"name": "a\\nb"}', 400),
        ('{"name": "\\ud800"}', 400),
        ('{"name": "\\u202egpj.exe"}', 400),
        (json.dumps({"name": "x" * 25}), 400),
        (json.dumps({"name": "x" * 70_000}), 413),
    ],
)
def test_a_bad_body_is_refused_with_one_line(site, body, status):
    response, answer = ask(site.port, "POST", "/api/sign-in", body, JSON)
    assert response.status == status
    error = json.loads(answer)["error"]
    assert error and "\n" not in error


def test_a_body_without_a_length_is_refused(site):
    chunks = iter([b'{"name":', b'"Ada"}'])
    assert ask(site.port, "POST", "/api/sign-in", chunks, JSON)[0].status == 411


def test_a_name_is_one_account_in_upper_and_lower_case(site, enter):
    ada = enter("Ada")
    assert Page(site, ada.name.upper()).id == ada.id


def test_signing_out_ends_the_session(enter):
    ada = enter("Ada")
    response, _ = ada.ask("POST", "/api/sign-out", "{}", JSON)
    ada.cookie = response.headers["Set-Cookie"].partition(";")[0]
    assert ada.get("/api/me")[0] == 401
