"""The fault proxy itself: each fault, and that nothing of it is left."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time

import pytest

from .proxy import TO_CLIENT, TO_SERVER, Proxy
from .running import wait_until


class Echo:
    """A server that says back what it hears, and what it heard."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.heard = b""
        self.ended = 0
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._echo, args=(sock,)))
                self._threads[-1].start()

    def _echo(self, sock):
        with sock, contextlib.suppress(OSError):
            for data in iter(lambda: sock.recv(65536), b""):
                self.heard += data
                sock.sendall(data)
        self.ended += 1


@pytest.fixture
def echo():
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    with Echo() as server:
        yield server
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == files


@pytest.fixture
def proxy(echo):
    with Proxy(echo.port) as proxy:
        yield proxy


@pytest.fixture
def connect(proxy):
    """Returns a function that opens a socket through the proxy, and tries it."""
    with contextlib.ExitStack() as stack:

        def connect(tried=True):
            sock = stack.enter_context(
                socket.create_connection(("127.0.0.1", proxy.port), 5)
            )
            if tried:
                assert said(sock, b"tried") == b"tried"
            return sock

        yield connect


def said(sock, data):
    """Sends, and returns what comes back; None if nothing does for a moment."""
    sock.sendall(data)
    return come(sock)


def come(sock, within=0.2):
    """Returns what comes, within a moment if nothing does."""
    sock.settimeout(within)
    try:
        return sock.recv(65536)
    except socket.timeout:
        return None
    finally:
        sock.settimeout(5)


def received(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(65536)
        assert more, f"ended after {len(data)} bytes"
        data += more
    return data


def test_much_passes_whole_and_in_order(connect, proxy):
    sock, data = connect(), os.urandom(5_000_000)
    writer = threading.Thread(target=sock.sendall, args=(data,))
    writer.start()
    assert received(sock, len(data)) == data
    writer.join()
    sock.shutdown(socket.SHUT_WR)
    assert sock.recv(1) == b""
    wait_until(lambda: proxy.connections == 0, "the proxy let go")


def test_mute_loses_one_direction_for_old_and_new(connect, proxy, echo):
    old = connect()
    proxy.mute(TO_CLIENT)
    new = connect(tried=False)
    assert [said(old, b"old"), said(new, b"new")] == [None, None]
    assert sorted([echo.heard[5:8], echo.heard[8:11]]) == [b"new", b"old"]
    assert proxy.swallowed == 6
    proxy.mend()
    assert [said(old, b"1"), said(new, b"2")] == [b"1", b"2"]
    proxy.mute(TO_SERVER)
    assert said(old, b"3") is None
    assert echo.heard.endswith(b"2")


def test_hole_keeps_back_until_mended(connect, proxy, echo):
    old = connect()
    proxy.hole()
    new = connect(tried=False)
    assert [said(old, b"old"), said(new, b"new")] == [None, None]
    assert echo.heard == b"tried"
    proxy.mend()
    assert [received(old, 3), received(new, 3)] == [b"old", b"new"]
    assert proxy.swallowed == 0


def test_hole_of_one_direction_lets_the_other_pass(connect, proxy, echo):
    sock = connect()
    proxy.hole(TO_CLIENT)
    assert said(sock, b"x") is None
    assert echo.heard == b"triedx"
    proxy.mend()
    assert sock.recv(9) == b"x"


def test_hole_tells_nobody_that_a_side_has_ended(connect, proxy, echo):
    sock = connect()
    proxy.hole()
    sock.close()
    time.sleep(0.2)  # What must not happen: the end is passed on.
    assert echo.ended == 0
    proxy.mend()
    wait_until(lambda: echo.ended == 1, "the end is passed on")
    wait_until(lambda: proxy.connections == 0, "the proxy let go")


def test_strand_makes_a_hole_of_old_connections_only(connect, proxy):
    old = connect()
    proxy.strand()
    assert said(old, b"old") is None
    connect()
    proxy.mend()
    assert received(old, 3) == b"old"


def test_delay_is_of_one_direction_and_keeps_the_order(connect, proxy):
    sock = connect()
    proxy.delay(0.3, TO_SERVER)
    begin = time.monotonic()
    sock.sendall(b"a")
    time.sleep(0.05)  # Two pieces, each late by itself.
    sock.sendall(b"b")
    assert sock.recv(1) == b"a"
    assert 0.3 <= time.monotonic() - begin < 2
    assert sock.recv(1) == b"b"
    assert 0.35 <= time.monotonic() - begin < 2
    proxy.mend()
    assert said(sock, b"c") == b"c"


def test_dribble_sends_some_bytes_every_so_often_until_mended(connect, proxy):
    sock, data = connect(), os.urandom(100_000)
    proxy.dribble(10, 0.05, TO_CLIENT)
    begin = time.monotonic()
    sock.sendall(data)
    got = b""
    while len(got) < 50:
        got += sock.recv(65536)
        assert len(got) <= 10 * (1 + (time.monotonic() - begin) / 0.05)
    assert time.monotonic() - begin >= 0.2
    proxy.mend()
    assert got + received(sock, len(data) - len(got)) == data


@pytest.mark.parametrize("reset", [False, True])
def test_cut_closes_all_and_refuses_until_mended(connect, proxy, echo, reset):
    sock = connect()
    proxy.cut(reset)
    if reset:
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    else:
        assert sock.recv(1) == b""
    wait_until(lambda: echo.ended == 1, "the server sees it, too")
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            connect()
        proxy.cut()
    proxy.mend()
    connect()


def test_a_server_that_is_not_there_ends_the_connection():
    with Echo() as echo:
        pass
    with Proxy(echo.port) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), 5) as sock:
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(1) == b""
        wait_until(lambda: proxy.connections == 0, "the proxy let go")


def test_close_leaves_neither_thread_nor_file_whatever_is_under_way(connect, proxy):
    # The fixture `echo` counts.
    socks = [connect() for _ in range(50)]
    proxy.dribble(1, 1)
    for sock in socks[:25]:
        sock.sendall(b"x" * 1000)
    proxy.hole(TO_SERVER)
    for sock in socks[25:]:
        sock.sendall(b"x" * 1000)
    proxy.close()
    proxy.close()
    assert proxy.connections == 0
