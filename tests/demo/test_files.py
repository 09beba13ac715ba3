"""Example 3: A sends B a file."""

from __future__ import annotations

import json
import time
from http.client import HTTPConnection
from urllib.parse import unquote, urlencode

import pytest

from demo.flask_webapi.file_names import LONGEST, safe_name
from demo.flask_webapi.files import LARGEST_FILE
from tests.running import DEADLINE, wait_until

from .site import OURS


NAMES = [
    ("report.pdf", "report.pdf"),
    ("../../etc/passwd", "passwd"),
    ("C:\\Windows\\System32\\evil.exe", "evil.exe"),
    ("..", "file"),
    ("/", "file"),
    (".bashrc", "bashrc"),
    ("a\r\nSet-Cookie: x=y", "aSet-Cookie: x=y"),
    ("nul\x00.txt", "nul.txt"),
    ("invoice\u202efdp.exe", "invoicefdp.exe"),
    ("trailing. . ", "trailing"),
    ("报告 🙂.pdf", "报告 🙂.pdf"),
    ("e\u0301.txt", "é.txt"),
    ('"quoted";x="y".txt', '"quoted";x="y".txt'),
    ("<img src=x onerror=alert(1)>.png", "<img src=x onerror=alert(1)>.png"),
    ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
    ("报" * 200 + ".pdf", "报" * 83 + ".pdf"),
    ("x." + "y" * 300, "x." + "y" * 253),
]


@pytest.mark.parametrize("given, safe", NAMES)
def test_a_name_is_made_safe(given, safe):
    assert safe_name(given) == safe
    assert len(safe.encode()) <= LONGEST


@pytest.mark.parametrize("given, safe", NAMES)
def test_a_file_arrives_under_a_safe_name(friends, site, given, safe):
    ada, bob = friends
    status, answer = ada.upload(bob, given, b"content")
    assert status == 200
    file = answer["message"]["file"]
    assert (file["name"], file["size"]) == (safe, 7)
    for page in (ada, bob):
        response, body = page.ask("GET", f"/api/files/{file['id']}")
        assert (response.status, body) == (200, b"content")
        kept = response.headers["Content-Disposition"]
        assert kept.startswith("attachment; filename") and "\n" not in kept
        assert response.headers["Content-Type"] == "application/octet-stream"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        if "UTF-8''" in kept:
            assert unquote(kept.partition("UTF-8''")[2]) == safe
    assert (site.folder / "files" / str(file["id"])).read_bytes() == b"content"


def test_the_receiver_hears_how_far_it_is_and_then_gets_the_link(friends):
    ada, bob = friends
    his, hers = bob.open(), ada.open()
    with slow_upload(ada, bob, 1000) as upload:
        upload.send(b"x" * 400)
        first = his.wait_for("file")
        assert first["from"] == {"id": ada.id, "name": ada.name}
        assert (first["name"], first["size"]) == ("slow.bin", 1000)
        assert (first["sent"], first["status"]) == (0, "sending")
        assert bob.get(f"/api/files/{first['id']}")[0] == 404
        upload.send(b"x" * 600)
        assert upload.status() == 200
    message = his.wait_for("message")["message"]
    assert message["file"] == {"id": first["id"], "name": "slow.bin", "size": 1000}
    assert his.of("file")[-1]["status"] == "sending"
    assert hers.of("file") == []


def test_the_receiver_hears_of_it_five_times_a_second_at_the_most(friends):
    """120 pieces over about 1.2 s."""
    ada, bob = friends
    his = bob.open()
    began = time.monotonic()
    with slow_upload(ada, bob, 120_000) as upload:
        for _ in range(120):
            upload.send(b"x" * 1000)
            # The pace that is measured, no condition to wait for.
            time.sleep(0.01)
        assert upload.status() == 200
    lasted = time.monotonic() - began
    his.wait_for("message")
    told = [one["sent"] for one in his.of("file")]
    assert 4 <= len(told) <= lasted * 5 + 1
    assert told == sorted(set(told)) and told[0] == 0
    print(f"told {len(told)} times in {lasted:.2f} s")


def test_only_sender_and_receiver_get_the_file(friends, enter):
    ada, bob = friends
    _, answer = ada.upload(bob, "secret.txt", b"secret")
    status, refused = enter("Eve").get(f"/api/files/{answer['message']['file']['id']}")
    assert (status, refused["code"]) == (403, "not_yours")


def test_only_friends_may_send_files(enter, site):
    ada, eve = enter("Ada"), enter("Eve")
    before = kept(site)
    status, refused = eve.upload(ada, "evil.exe", b"evil")
    assert (status, refused["code"]) == (403, "not_friends")
    assert kept(site) == before


@pytest.mark.parametrize("declared", ["size", "length"])
def test_a_file_over_the_cap_is_refused_before_it_is_sent(friends, site, declared):
    ada, bob = friends
    before = kept(site)
    size = LARGEST_FILE + 1
    length = size if declared == "length" else 5
    query = {"to": bob.id, "name": "big", "size": size if declared == "size" else 5}
    with Upload(ada, query, {"Content-Length": str(length)}) as upload:
        assert upload.status() == 413
    assert kept(site) == before


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 1_000_000])
def test_sizes(friends, size):
    ada, bob = friends
    content = bytes(range(256)) * (size // 256 + 1)
    _, answer = ada.upload(bob, "x", content[:size])
    response, body = bob.ask("GET", f"/api/files/{answer['message']['file']['id']}")
    assert body == content[:size]


@pytest.mark.parametrize("size", [3, 5, 1000])
def test_a_file_of_another_size_than_was_said_is_refused(friends, site, size):
    ada, bob = friends
    his = bob.open()
    before = kept(site)
    status, refused = ada.upload(bob, "x", b"four", size=size)
    assert (status, refused["code"]) == (400, "broken")
    his.wait_for("file", status="broken")
    assert kept(site) == before


def test_chunks_that_do_not_end_are_cut_at_the_size(friends, site):
    ada, bob = friends
    before = kept(site)
    query = {"to": bob.id, "name": "endless", "size": 1000}
    with Upload(ada, query, {"Transfer-Encoding": "chunked"}) as upload:
        for _ in range(20):
            upload.send(b"64\r\n" + b"x" * 100 + b"\r\n")
        assert upload.status() == 400
    assert kept(site) == before


def test_an_upload_that_breaks_tells_the_receiver_and_leaves_nothing(friends, site):
    ada, bob = friends
    his = bob.open()
    before = kept(site)
    with slow_upload(ada, bob, 1_000_000) as upload:
        upload.send(b"x" * 100_000)
        id_ = his.wait_for("file", status="sending")["id"]
        wait_until(lambda: kept(site) != before, "it is being received")
    broken = his.wait_for("file", status="broken")
    assert (broken["id"], broken["name"]) == (id_, "slow.bin")
    assert kept(site) == before
    assert ada.get("/api/history", user=bob.id)[1]["messages"] == []
    assert len([one for one in his.of("file") if one["status"] == "broken"]) == 1
    # It does not count as one on its way any more.
    assert [ada.upload(bob, "x", b"x")[0] for _ in range(4)] == [200] * 4


def test_a_user_sends_three_files_at_a_time(friends):
    ada, bob = friends
    his = bob.open()
    uploads = [slow_upload(ada, bob, 10) for _ in range(3)]
    wait_until(lambda: len(his.of("file")) == 3, "three are on their way")
    assert ada.upload(bob, "x", b"x")[0] == 429
    for upload in uploads:
        upload.close()
    wait_until(lambda: ada.upload(bob, "x", b"x")[0] == 200, "there is room again")


def test_the_key_of_another_message_is_refused(friends, site):
    ada, bob = friends
    ada.say(bob, "x", key="mine")
    before = kept(site)
    assert ada.upload(bob, "x", b"x", key="mine")[0] == 409
    assert kept(site) == before
    assert ada.upload(bob, "x", b"x", key="other")[0] == 200


def kept(site):
    """Returns the names of the files on the disk."""
    return sorted(path.name for path in (site.folder / "files").iterdir())


def slow_upload(sender, receiver, size):
    query = {"to": receiver.id, "name": "slow.bin", "size": size}
    return Upload(sender, query, {"Content-Length": str(size)})


class Upload:
    """An upload whose bytes come when the test sends them."""

    def __init__(self, page, query, headers):
        self._link = HTTPConnection("127.0.0.1", page.site.port, timeout=DEADLINE)
        self._link.putrequest("POST", f"/api/files?{urlencode(query)}")
        for name, value in {**OURS, **headers, "Cookie": page.cookie}.items():
            self._link.putheader(name, value)
        self._link.endheaders()
        self.send = self._link.send
        self.close = self._link.close

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def status(self):
        response = self._link.getresponse()
        json.loads(response.read())
        return response.status
