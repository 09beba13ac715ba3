"""One voice for several processes, by real processes."""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys
import tempfile
import time

import pytest

from freeim.relay.spokesman import TAKEOVER_TIMEOUT, Note, Spokesman, may_follow


#: Answers each line that it is sent with one line.
PROCESS = """
import os, sys
from freeim.relay.spokesman import Spokesman

spokesman = Spokesman(*sys.argv[1:])
spokesman.listens()
print("listens", flush=True)
for line in sys.stdin:
    command, _, node = line.strip().partition(" ")
    if command == "fork":
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        else:
            print(spokesman.speaking(), flush=True)
            os._exit(0)
    elif command == "resign":
        spokesman.resign()
        print("resigned", flush=True)
    elif command == "heed":
        spokesman.heed(node)
        print("heeded", flush=True)
    else:
        print(spokesman.speaking(), flush=True)
"""


class Process:
    def __init__(self, name, node, folder):
        self.node = node
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, name, node],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": folder},
            universal_newlines=True,
        )
        assert self._process.stdout.readline() == "listens\n"

    def tell(self, command):
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def speaks(self):
        return self.tell("speaks?") == "True"

    def heed(self, other):
        """Has it hear that another process, or itself, hands over."""
        assert self.tell(f"heed {other.node}") == "heeded"

    def kill(self):
        """Ends it as kill -9 does; its locks are gone when this returns."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._process.stdin.close()


@pytest.fixture
def start(tmp_path):
    processes = []

    def start(name="server"):
        node = f"{name}:{len(processes)}"
        processes.append(Process(name, node, str(tmp_path)))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_exactly_one_of_several_processes_speaks(start):
    processes = [start() for _ in range(4)]
    for _ in range(3):
        assert [one.speaks() for one in processes] == [True, False, False, False]


def test_kill_passes_the_word_on(start):
    first, second, third = start(), start(), start()
    assert first.speaks() and not second.speaks() and not third.speaks()
    first.kill()
    assert second.speaks() and not third.speaks()
    second.kill()
    assert third.speaks()


def test_resigning_passes_the_word_on(start):
    first, second = start(), start()
    assert first.speaks() and not second.speaks()
    assert first.tell("resign") == first.tell("resign") == "resigned"
    assert second.speaks() and not first.speaks()


def test_resigning_without_the_word_leaves_it_where_it_is(start):
    first, second, third = start(), start(), start()
    assert first.speaks()
    assert second.tell("resign") == "resigned"
    assert first.speaks() and not third.speaks()


def test_nobody_speaks_before_hearing_that_the_last_one_has_left(start):
    first, second, third = start(), start(), start()
    assert first.speaks()
    first.heed(first)
    # What these still have to hear has been answered.
    assert not second.speaks() and not third.speaks()
    third.heed(first)
    assert third.speaks() and not second.speaks() and not first.speaks()
    second.heed(first)
    assert third.speaks() and not second.speaks()
    third.heed(third)
    second.heed(third)
    assert second.speaks()


def test_who_listens_only_since_the_last_one_left_speaks_at_once(start):
    first, second = start(), start()
    assert first.speaks()
    first.heed(first)
    third = start()
    assert not second.speaks() and third.speaks()


def test_a_handover_waits_until_the_one_who_spoke_has_heard_it_too(start):
    first, second = start(), start()
    assert first.speaks()
    begin = time.monotonic()
    second.heed(first)
    # In vain: `first` never does, and goes on.
    assert TAKEOVER_TIMEOUT <= time.monotonic() - begin < TAKEOVER_TIMEOUT + 1
    assert first.speaks() and not second.speaks()
    first.kill()
    assert second.speaks()


@pytest.mark.parametrize(
    "note, heard, listens_since, expected",
    [
        (None, None, math.inf, True),
        (Note("a", None), None, 1.0, True),
        (Note("a", 5.0), None, 1.0, False),
        (Note("a", 5.0), "b", 1.0, False),
        (Note("a", 5.0), "a", 1.0, True),
        (Note("a", 5.0), None, 5.0, True),
        # Of before the clock was set back.
        (Note("a", 11.0), None, 1.0, True),
    ],
)
def test_who_may_follow(note, heard, listens_since, expected):
    assert may_follow(note, heard, listens_since, 10.0) is expected


@pytest.mark.parametrize("said", ["", "[", "{}", "[1]", '["a","b"]', "[[],[]]"])
def test_nonsense_in_the_lock_file_keeps_nobody_from_speaking(folder, said):
    spokesman = Spokesman("server", "node")
    with open(spokesman.path, "w") as file:
        file.write(said)
    assert spokesman.speaking()
    spokesman.resign()


def test_a_full_disk_keeps_nobody_from_speaking(folder):
    spokesman = Spokesman("server", "node")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        speaks = spokesman.speaking()
        spokesman.heed("node")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert speaks and spokesman.left.is_set()
    assert Spokesman("server", "another").speaking()


def test_processes_of_different_servers_do_not_silence_each_other(start):
    assert start("a:6001").speaks() and start("a:6002").speaks()


def test_child_does_not_speak_beside_its_parent(start):
    parent = start()
    assert parent.speaks()
    assert parent.tell("fork") == "False"
    assert parent.speaks()


def test_lock_file_is_readable_by_its_user_only(folder):
    spokesman = Spokesman("server", "node")
    assert spokesman.speaking()
    spokesman.resign()
    assert os.stat(spokesman.path).st_mode & 0o777 == 0o600
    assert os.path.dirname(spokesman.path) == str(folder)


def test_link_in_the_place_of_the_lock_file_is_not_followed(folder):
    target = folder / "target"
    spokesman = Spokesman("server", "node")
    os.symlink(str(target), spokesman.path)
    with pytest.raises(OSError):
        spokesman.speaking()
    assert not target.exists()


def test_name_of_the_lock_file_does_not_show_the_password(folder):
    assert "hush" not in Spokesman("redis://:hush@h im_v2_wsServera", "node").path
