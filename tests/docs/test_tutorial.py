"""The tutorial: its files and commands are a chat; tests/browser has its page, too."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
import websocket

from tests.running import DEADLINE, wait_until

from .pages import blocks_of
from .tutorial import PAGE, Person, Tutorial


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory):
    with Tutorial(tmp_path_factory.mktemp("tutorial")) as made:
        yield made


def connect(person):
    return websocket.create_connection(
        person.ask("POST", "/connect")[1]["url"], timeout=DEADLINE
    )


def test_every_block_is_a_file_or_a_command_that_is_run():
    loose = [one for one in blocks_of(PAGE) if not one.file and one.language != "sh"]
    assert loose == []


def test_a_stranger_may_neither_connect_nor_speak(tutorial):
    stranger = Person(tutorial.web)
    assert stranger.ask("POST", "/connect")[0] == 401
    assert stranger.ask("POST", "/say", to=2, text="hi")[0] == 401


def test_what_one_says_the_other_hears_and_finds_in_the_history(tutorial):
    ada, bo = Person(tutorial.web, "ada"), Person(tutorial.web, "bo")
    with closing(connect(ada)) as of_ada, closing(connect(bo)) as of_bo:
        everybody = [1, 2]
        wait_until(
            lambda: sorted(ada.ask("GET", "/online")[1]) == everybody, "both are online"
        )
        status, said = ada.ask("POST", "/say", to=2, text="hi Bo")
        assert status == 200
        assert json.loads(of_bo.recv()) == said
        assert said in bo.ask("GET", "/history")[1]
        # Ada has one socket: she hears the answer first, not what she said.
        _, answered = bo.ask("POST", "/say", to=1, text="hi Ada")
        assert json.loads(of_ada.recv()) == answered


def test_the_room(tutorial):
    ada, bo = Person(tutorial.web, "ada"), Person(tutorial.web, "bo")
    with closing(connect(ada)) as of_ada, closing(connect(bo)):
        wait_until(lambda: len(ada.ask("GET", "/online")[1]) == 2, "both are online")
        assert ada.ask("POST", "/enter") == (200, {"people": 1})
        assert bo.ask("POST", "/enter") == (200, {"people": 2})
        _, said = bo.ask("POST", "/shout", text="hello all")
        assert json.loads(of_ada.recv()) == said


def test_the_doctor_finds_nothing(tutorial):
    status, output = tutorial.run("freeim doctor")
    assert status == 0, output


def test_the_relay_says_what_the_page_says(tutorial):
    (relay,) = (one for one in tutorial.servers if one.name == "relay")
    assert f"= listening at {tutorial.relay}" in relay.log
