"""The recipes for web applications: each served, driven, and heard by a real client."""

from __future__ import annotations

import sys

import pytest

from .serving import Recipe, gunicorn


def hears(sock, system, expected):
    """Reads a client's messages up to one that is sent now."""
    system.client.send_message(0, 2, "end")
    heard = []
    while not heard or heard[-1] != '"end"':
        heard.append(sock.recv())
    assert heard[:-1] == expected


def test_flask(system, tmp_path):
    recipe = Recipe("recipes/flask.md", tmp_path, system)
    with recipe.web(gunicorn("app:create_app()")) as post:
        assert post("/login", user=2) == (200, {"ok": True})
        sock = recipe.connect(post("/connect")[1]["url"])
        assert post("/login", user=3) == (200, {"ok": True})
        assert post("/order", to=2, amount=5) == (200, {"ok": True})
        assert post("/order", to=2, amount=11)[0] == 409
        assert post("/order", to=2, amount="many")[0] == 500
        hears(sock, system, ['"ordered"'])


def test_django(system, tmp_path):
    pytest.importorskip("django")
    recipe = Recipe("recipes/django.md", tmp_path, system)
    with recipe.web(gunicorn("mysite.wsgi")) as post:
        sock = recipe.connect(post("/connect", user=2)[1]["url"])
        assert post("/say", to=2, text="hi") == (200, {"ok": True})
        assert post("/say", to=2, text="")[0] == 400
        assert post("/say", to=2)[0] == 500
        assert post("/say", to="nobody", text="hi")[0] == 500
        assert post("/say", to=2, text="roll back") == (200, {"ok": True})
        hears(sock, system, ['{"text":"hi"}'])


@pytest.mark.parametrize(
    "command", [["app.py"], gunicorn("app:application")], ids=["wsgiref", "gunicorn"]
)
def test_wsgi(system, tmp_path, command):
    recipe = Recipe("recipes/wsgi.md", tmp_path, system)
    with recipe.web(command) as post:
        sock = recipe.connect(post("/connect", user=2)[1]["url"])
        assert post("/say", to=2, text="hi") == (200, {"ok": True})
        assert post("/say", to=2, text="bad")[0] == 409
        assert post("/say", to=2)[0] == 500
        hears(sock, system, ['"hi"'])


def test_sqlalchemy(system, tmp_path, monkeypatch):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    from sqlalchemy.orm import Session, sessionmaker

    recipe = Recipe("recipes/sqlalchemy.md", tmp_path, system)
    monkeypatch.syspath_prepend(recipe.folder)
    import example

    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/orders.db")
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE o (id INTEGER PRIMARY KEY)"))

    def add_order(session, number):
        session.execute(sqlalchemy.text(f"INSERT INTO o VALUES ({number})"))

    # A class of our own: hooks on `Session` itself would outlive this test.
    class OurSession(Session):
        pass

    register = example.send_on_commit
    example.send_on_commit = lambda client: register(client, OurSession)
    sock = system.connect(2)
    make_session = sessionmaker(engine, class_=OurSession)
    example.place_orders(system.client, make_session, add_order)
    hears(sock, system, ['"order 1"', '"order 2"'])
    with engine.connect() as connection:
        found = connection.execute(sqlalchemy.text("SELECT id FROM o ORDER BY id"))
        assert [row[0] for row in found] == [1, 2]
    # A failing Redis does not make a commit look as if it had failed.
    with system.client.atomic(), make_session() as session:
        add_order(session, 3)
        system.client.on_send.append(lambda event: lose())
        system.client.send_message(0, 2, "lost")
        session.commit()
    system.client.on_send.clear()
    hears(sock, system, [])
    engine.dispose()
    for name in ("example", "send_on_commit"):
        del sys.modules[name]


def lose():
    from redis.exceptions import ConnectionError

    raise ConnectionError("Redis is away")
