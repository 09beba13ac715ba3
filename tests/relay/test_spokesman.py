"""One voice for several processes, by real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pytest

from freeim.relay.spokesman import Spokesman


#: Answers each line that it is sent with one line.
PROCESS = """
import os, sys
from freeim.relay.spokesman import Spokesman

spokesman = Spokesman(sys.argv[1])
for line in sys.stdin:
    command = line.strip()
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
    else:
        print(spokesman.speaking(), flush=True)
"""


class Process:
    def __init__(self, name, folder):
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": folder},
            universal_newlines=True,
        )

    def tell(self, command):
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def speaks(self):
        return self.tell("speaks?") == "True"

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
        processes.append(Process(name, str(tmp_path)))
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


def test_processes_of_different_servers_do_not_silence_each_other(start):
    assert start("a:6001").speaks() and start("a:6002").speaks()


def test_child_does_not_speak_beside_its_parent(start):
    parent = start()
    assert parent.speaks()
    assert parent.tell("fork") == "False"
    assert parent.speaks()


def test_lock_file_is_readable_by_its_user_only(folder):
    spokesman = Spokesman("server")
    assert spokesman.speaking()
    spokesman.resign()
    assert os.stat(spokesman.path).st_mode & 0o777 == 0o600
    assert os.path.dirname(spokesman.path) == str(folder)


def test_link_in_the_place_of_the_lock_file_is_not_followed(folder):
    target = folder / "target"
    spokesman = Spokesman("server")
    os.symlink(str(target), spokesman.path)
    with pytest.raises(OSError):
        spokesman.speaking()
    assert not target.exists()


def test_name_of_the_lock_file_does_not_show_the_password(folder):
    assert "hush" not in Spokesman("redis://:hush@h im_v2_wsServera").path
