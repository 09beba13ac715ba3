"""The benchmark, as small as it gets: what it prints, what it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.deadline import BenchError
from bench.load import Load, Target
from bench.machine import check_files, cores
from bench.page import write_block
from bench.rig import Rig
from bench.settings import SUBJECTS, Settings
from bench.table import ROWS, ratio, table
from demo.redis_server import free_port

from .running import clean_environ


ROOT = Path(__file__).parent.parent

#: A run of few seconds.
TINY = ("--sockets", "50", "--burst", "3", "--direct", "100", "--seconds", "1")


def bench(*arguments, **environ):
    """Runs the benchmark on free ports; returns how it ended."""
    command = [sys.executable, "-m", "bench", "--port", str(free_ports(3)), *arguments]
    return run(command, **environ)


def run(command, **environ):
    """Runs a command in the checkout; returns how it ended."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env=clean_environ(**environ),
        capture_output=True,
        encoding="utf-8",
    )


def free_ports(count):
    """Returns the first of some ports in a row that nobody listens on now.

    Below those that the system gives to whoever asks for any.
    """
    low, _ = map(
        int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    )
    taken = {
        int(line.split()[1].rpartition(":")[2], 16)
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
    }
    # Others that look at the same time should find others.
    start = 10_000 + os.getpid() % 1000 * 10
    for first in range(start, low - count):
        if taken.isdisjoint(range(first, first + count)):
            return first
    raise AssertionError("no free ports")


def cells(text):
    """Returns the rows of a table in Markdown, its rule left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if set(row[0]) != {"-"} or not row[0]]


def test_a_tiny_run_fills_all_rows_and_loses_nothing(tmp_path):
    page, figures = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text("above\n<!-- begin: table x -->\nold\n<!-- end: table -->\nbelow\n")
    done = bench(*TINY, "--json", str(figures), "--markdown", str(page))
    assert done.returncode == 0, done.stderr
    head, *body = cells(done.stdout)
    assert head[1:] == [*SUBJECTS, "relay ÷ yardstick"]
    assert [row[0] for row in body] == [row.title for row in ROWS]
    for title, *values in body:
        in_limit = title in {"room burst/s", "room lag ms", "lost"}
        assert all(value != "–" for value in values[0 if in_limit else 1 : 3]), title
    assert body[-1] == ["lost", "0", "0", "0", "–"]
    assert page.read_text() == (
        f"above\n<!-- begin: table x -->\n\n{done.stdout.strip()}\n\n"
        "<!-- end: table -->\nbelow\n"
    )
    [figures_of_run] = json.loads(figures.read_text())
    assert figures_of_run["relay"]["burst"] > 0


def test_growth_is_drawn_or_says_what_is_missing(tmp_path):
    plot = tmp_path / "growth.png"
    sizes = ("--sockets", "10", "--burst", "2", "--direct", "20", "--steps", "5,10")
    done = bench(*sizes, "--only", "relay", "--plot", str(plot))
    if find_spec("matplotlib"):
        assert done.returncode == 0, done.stderr
        assert plot.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        assert re.findall(r"^Lost: (.*)\.$", done.stdout, re.M) == ["0"] * 4
    else:
        assert done.returncode == 2
        [line] = done.stderr.splitlines()
        assert line.startswith("bench: matplotlib not installed: pip install ")


def test_a_crowd_is_spread_over_nodes_and_load_processes():
    # 300 files a process, of which 200 are put aside for other things.
    limited = f"ulimit -n 300 && exec {sys.executable} -m bench"
    arguments = "--crowd --sockets 150 --burst 2 --nodes 3"
    done = run(["sh", "-c", f"{limited} {arguments} --port {free_ports(3)}"])
    assert done.returncode == 0, done.stderr
    figures = dict(row for row in cells(done.stdout))
    assert (figures["nodes"], figures["load processes"]) == ("3", "2")
    assert figures["lost"] == "0"


def test_servers_run_on_a_core_of_their_own():
    settings = Settings(sockets=2, port=free_ports(1))
    before = os.sched_getaffinity(0)
    server_core, load_core = cores()
    with Rig() as rig, rig.scene("relay", settings) as scene:
        scene.load.opened()
        assert os.sched_getaffinity(0) == {load_core}
        assert {frozenset(os.sched_getaffinity(pid)) for pid in scene.relays.pids} == {
            frozenset({server_core})
        }
    assert os.sched_getaffinity(0) == before


def test_what_does_not_arrive_is_lost_and_what_nobody_sent_is_an_error():
    settings = Settings(sockets=4, port=free_ports(1), patience=0.5)
    with Rig() as rig, rig.scene("relay", settings) as scene:
        scene.load.opened()
        scene.publisher.tell(1)
        assert scene.expect(3).messages == 1
        assert scene.lost == 2
        scene.lost = 0
        scene.publisher.flood_clients([1, 1, 2])
        with pytest.raises(BenchError, match="2 messages arrived that nobody had sent"):
            scene.expect(1)


def test_a_port_that_is_taken_is_one_line():
    with Rig() as rig:
        port = rig.redis_url.rsplit(":", 1)[1].split("/")[0]
        done = bench("--only", "relay", "--port", port)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"bench: port {port} on 127.0.0.1 ")


def test_no_compiler_is_one_line(tmp_path):
    done = bench("--only", "limit", PATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("bench: no cc on the PATH: install")


def test_a_relay_that_ends_is_one_line_with_its_last_words():
    command = [sys.executable, "-c", "import sys; sys.exit('no, thanks')"]
    done = bench("--only", "relay", "--", *command)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last == "bench: relay ended with 1 and said: no, thanks"


def test_too_many_sockets_are_refused_before_anything_starts():
    with pytest.raises(BenchError, match="are too many files for 2 relay"):
        check_files(1 << 40, 2)


def test_a_refused_socket_is_an_error_with_its_reason(tmp_path):
    port = free_port()
    with Rig() as rig, Load(rig.program("load"), rig.folder, [Target(port, "/")]) as it:
        with pytest.raises(BenchError, match="1 of 1 sockets were refused: Connection"):
            it.opened()


def test_a_page_without_the_marks_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing here")
    with pytest.raises(BenchError, match="no marks around a block 'table'"):
        write_block(str(page), "table", "text")


def test_ratios_are_taken_within_a_run():
    runs = [
        {"limit": {"burst": limit}, "relay": {"burst": relay, "lost": 1}}
        for limit, relay in ((100, 700), (10, 20), (1000, 3000))
    ]
    row = next(row for row in ROWS if row.key == "burst")
    # That of the medians would be 7.
    assert ratio(runs, row) == 3.0
    assert cells(table(runs))[-1] == ["lost", "–", "3", "–"]
