"""The Flask extension: its config, its contract, and requests as blocks."""

from __future__ import annotations

import flask
import pytest
from redis.exceptions import ConnectionError

from freeim import ConfigurationError, ImClient, ImClientOptions
from freeim.flask_ext import FreeIM, config_keys

from .running import free_port
from .test_atomic import Ear


@pytest.fixture
def app(redis_url):
    made = flask.Flask(__name__)
    made.config.update(FREEIM_REDIS=redis_url, FREEIM_SERVERS="a,b")
    yield made
    for name, client in made.extensions.items():
        if name.startswith("freeim"):
            client.redis.connection_pool.disconnect()


@pytest.fixture
def im(app):
    """An extension that sends after requests; views that send and then do something."""
    made = FreeIM(send_after_request=True)
    made.init_app(app)
    app.add_url_rule("/say/<end>", view_func=lambda end: say(made, end))
    app.register_error_handler(KeyError, lambda error: ("handled", 400))
    return made


ENDS = {
    "ok": lambda: "ok",
    "redirect": lambda: flask.redirect("/elsewhere"),
    "bad": lambda: ("bad", 400),
    "abort": lambda: flask.abort(404),
    "error": lambda: 1 / 0,
    "handled": lambda: {}["nothing"],
    "500": lambda: ("down", 500),
}


def say(im, end):
    assert im.client.send_message(0, 2, end) == -1
    im.client.join_chan(2, "room")
    return ENDS[end]()


@pytest.fixture
def ear(app, im):
    made = Ear(app.extensions["freeim"])
    yield made
    made.close()


@pytest.mark.parametrize(
    "end, status, leaves",
    [
        ("ok", 200, True),
        ("redirect", 302, True),
        ("bad", 400, False),
        ("abort", 404, False),
        ("error", 500, False),
        ("handled", 400, False),
        ("500", 500, False),
    ],
)
def test_a_request_sends_if_it_succeeded(app, ear, end, status, leaves):
    client = app.extensions["freeim"]
    assert app.test_client().get(f"/say/{end}").status_code == status
    assert ear.contents() == [f'"{end}"'] * leaves
    assert client.get_chan_list() == [("room", 1)] * leaves
    assert client.holding is None
    assert client.send_message(0, 2, "after") == 1


def test_an_exception_that_comes_through_leaves_nothing(app, ear):
    app.testing = True
    with pytest.raises(ZeroDivisionError):
        app.test_client().get("/say/error")
    assert ear.heard() == []
    assert app.extensions["freeim"].holding is None


def test_messages_leave_after_all_other_functions_of_the_request(app, im, ear):
    seen = []

    @app.after_request
    def look(response):
        seen.append(ear.heard())
        return response

    app.test_client().get("/say/ok")
    assert seen == [[]]
    assert ear.contents() == ['"ok"']


def test_an_after_request_function_that_raises_keeps_them_back(app, im, ear):
    @app.after_request
    def fail(response):
        assert response.status_code != 200, "not this one"
        return response

    assert app.test_client().get("/say/ok").status_code == 500
    assert ear.heard() == []


def test_a_block_that_another_function_left_open_harms_no_later_request(app, im, ear):
    left = app.extensions["freeim"].atomic()
    left.__enter__()
    assert app.test_client().get("/say/ok").status_code == 200
    assert ear.contents() == ['"ok"']
    left.__exit__(None, None, None)


def test_what_a_stream_sends_leaves_at_once(app, im, ear):
    def parts():
        yield str(im.client.send_message(0, 2, "streamed"))

    app.add_url_rule("/stream", "stream", lambda: flask.stream_with_context(parts()))
    assert app.test_client().get("/stream").data == b"1"
    assert ear.contents() == ['"streamed"']


def test_a_redis_that_is_away_makes_the_request_fail(app):
    app.config["FREEIM_REDIS"] = f"redis://127.0.0.1:{free_port()}/0"
    im = FreeIM(app, send_after_request=True)
    app.add_url_rule("/say", view_func=lambda: say(im, "ok"))
    assert app.test_client().get("/say").status_code == 500
    assert im._options == {"send_after_request": True}
    app.testing = True
    with pytest.raises(ConnectionError):
        app.test_client().get("/say")
    assert app.extensions["freeim"].holding is None


def test_without_the_option_messages_leave_at_once(app):
    im = FreeIM(app)
    app.add_url_rule("/say", view_func=lambda: str(im.client.send_message(0, 2, "x")))
    assert app.test_client().get("/say").data == b"0"


def test_one_extension_serves_several_applications(app, redis_url):
    im = FreeIM(servers=["a"])
    other = flask.Flask("other")
    other.config["FREEIM_REDIS"] = redis_url
    for one in (app, other):
        im.init_app(one)
    with app.app_context():
        first = im.client
    with other.app_context():
        second = im.client
    assert first is app.extensions["freeim"] is not second
    assert first.options.servers == ("a", "b"), "the config wins over the constructor"
    assert second.options.servers == ("a",)


def test_an_application_may_talk_to_several_systems(app, redis_url):
    app.config.update(
        FREEIM_SUPPORT_REDIS=redis_url,
        FREEIM_SUPPORT_SERVERS="s",
        FREEIM_SUPPORT_KEY_PREFIX="support:",
    )
    main, support = FreeIM(app), FreeIM(app, bind="support")
    with app.app_context():
        assert main.client.options.servers == ("a", "b")
        assert support.client.options.servers == ("s",)
        assert support.client is app.extensions["freeim.support"]
        support.client.join_chan(1, "room")
        assert main.client.get_chan_list() == []


def test_a_fault_names_the_key(app):
    app.config["FREEIM_SUPPORT_SERVERS"] = ""
    with pytest.raises(ConfigurationError, match="^FREEIM_SUPPORT_SERVERS=''"):
        FreeIM(app, bind="support")
    app.config["FREEIM_SEND_AFTER_REQUEST"] = "perhaps"
    with pytest.raises(ConfigurationError, match="^FREEIM_SEND_AFTER_REQUEST='perh"):
        FreeIM(app)


def test_config_switches_sending_after_requests(app):
    app.config["FREEIM_SEND_AFTER_REQUEST"] = "on"
    im = FreeIM(app)
    app.add_url_rule("/say", view_func=lambda: str(im.client.send_message(0, 2, "x")))
    assert app.test_client().get("/say").data == b"-1"


def test_each_key_is_an_option_of_the_client_or_the_extensions_own():
    options = [f"FREEIM_{name.upper()}" for name, *_ in ImClientOptions.names()]
    assert [key for key, *_ in config_keys()] == [*options, "FREEIM_SEND_AFTER_REQUEST"]
    assert config_keys("support")[0][0] == "FREEIM_SUPPORT_REDIS"


def test_an_application_takes_one_extension_of_a_name(app):
    FreeIM(app)
    with pytest.raises(RuntimeError, match="already"):
        FreeIM(app)


def test_without_init_app_the_client_says_what_to_call(app):
    with app.app_context():
        with pytest.raises(RuntimeError, match="init_app"):
            _ = FreeIM().client
    assert isinstance(FreeIM(app), FreeIM)
    assert isinstance(app.extensions["freeim"], ImClient)
