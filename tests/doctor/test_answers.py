"""What answers mean, and the table of diagnoses: pure."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

from freeim.doctor import answers
from freeim.doctor.address import check_address, hide_token, read_address
from freeim.doctor.diagnosis import DIAGNOSES, diagnose
from freeim.doctor.findings import Fault
from freeim.websocket.handshake import DRAINING, NO_REDIS


DOCTOR = Path(answers.__file__).parent

#: Kinds that functions of `answers` return, by the hop that uses them.
KINDS = {
    "tcp": set(answers.CONNECT_KINDS.values()),
    "tls": {*answers.CERTIFICATE_KINDS.values(), "certificate", "not_tls", "broken"},
    "idle": {*answers.IDLE_KINDS.values(), "closed"},
    **dict.fromkeys(
        ("node", "message", "receipt", "ping"),
        {*answers.END_KINDS.values(), "closed"},
    ),
    "application": set(answers.CONNECT_KINDS.values()),
}


@pytest.mark.parametrize(
    "status, body, expected",
    [
        (200, b"<html>", ("upgrade", "page")),
        (307, b"", ("upgrade", "redirect")),
        (
            400,
            b"The plain HTTP request was sent to HTTPS port",
            ("upgrade", "tls_port"),
        ),
        (400, b"bad", ("upgrade", "status")),
        (401, b"Basic", ("upgrade", "login")),
        (403, b"the Origin is not allowed", ("upgrade", "origin")),
        (403, b"\xff\xfe", ("upgrade", "forbidden")),
        (426, b"", ("upgrade", "no_upgrade")),
        (429, b"", ("upgrade", "limited")),
        (500, b"", ("upgrade", "status")),
        (502, b"", ("upgrade", "bad_gateway")),
        (503, NO_REDIS.text.encode(), ("upgrade", "relay_without_redis")),
        (503, DRAINING.text.encode(), ("upgrade", "draining")),
        (503, b"busy", ("upgrade", "unavailable")),
        (504, b"", ("upgrade", "bad_gateway")),
    ],
)
def test_a_refusal_is_told_by_its_status_and_its_text(status, body, expected):
    hop, kind = answers.kind_of_refusal(status, body)
    assert (hop, kind) == expected
    assert kind in DIAGNOSES[hop]


def test_every_kind_that_an_answer_may_be_has_a_diagnosis():
    for hop, kinds in KINDS.items():
        assert kinds - set(DIAGNOSES[hop]) == set()
    for table in (answers.REFUSALS, answers.CLOSE_KINDS.items()):
        for *_, (hop, kind) in table:
            assert kind in DIAGNOSES[hop]


def test_every_diagnosis_can_be_reached():
    """Each kind is written somewhere beside the tables."""
    texts = "".join(
        path.read_text(encoding="utf-8")
        for path in DOCTOR.glob("*.py")
        if not path.name.startswith("faults_")
    )
    named = set(re.findall(r'"(\w+)"', texts)) | {"tls_not_tls"}
    unknown = [
        (hop, kind) for hop in DIAGNOSES for kind in DIAGNOSES[hop] if kind not in named
    ]
    assert unknown == []


def calls_of_fault():
    """Yields the names of the evidence of each `Fault(…)` whose kind is written."""
    for path in sorted(DOCTOR.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Fault":
                hop, kind = (getattr(arg, "value", None) for arg in node.args[:2])
                yield path.stem, hop, kind, {word.arg for word in node.keywords}


def test_a_diagnosis_uses_only_the_evidence_that_its_fault_gives():
    checked = 0
    for module, hop, kind, evidence in calls_of_fault():
        if not (isinstance(hop, str) and isinstance(kind, str)):
            continue
        checked += 1
        for text in DIAGNOSES[hop][kind]:
            wanted = {name for _, name, _, _ in string.Formatter().parse(text) if name}
            assert wanted <= evidence, (module, hop, kind)
    assert checked > 10


@pytest.mark.parametrize("kind", DIAGNOSES["upgrade"])
def test_every_refusal_can_be_told(kind):
    evidence = {"status": 418, "location": "", "authority": "h:1", "path": "/ws"}
    hop = diagnose(Fault("upgrade", kind, "seen", **evidence))
    assert hop.cause and hop.fix and "{" not in hop.cause + hop.fix


@pytest.mark.parametrize(
    "url, host, port, target, token",
    [
        ("ws://h/ws?token=a", "h", 80, "/ws?token=a", "a"),
        ("wss://h?token=a", "h", 443, "/?token=a", "a"),
        ("ws://[::1]:6001/ws?x=1&token=a", "::1", 6001, "/ws?x=1&token=a", "a"),
        ("wss://H:1/%s/ws" % ("a" * 64), "h", 1, "/%s/ws" % ("a" * 64), "a" * 64),
    ],
)
def test_an_address_is_taken_apart(url, host, port, target, token):
    address = read_address(url)
    parts = (address.host, address.port, address.target, address.token)
    assert parts == (host, port, target, token)
    assert token not in str(address).replace("/ws?token", "") or token == "a"


@pytest.mark.parametrize(
    "url, kind",
    [
        ("http://h/ws?token=a", "scheme"),
        ("127.0.0.1:6001/ws?token=a", "scheme"),
        ("ws://::1:6001/ws?token=a", "malformed"),
        ("ws://h:99999/ws?token=a", "malformed"),
        ("ws:///ws?token=a", "malformed"),
        ("ws://a b/ws?token=a", "malformed"),
        ("ws://h/ws?token=a#b", "malformed"),
        ("ws://h/{server}/ws?token=a", "malformed"),
    ],
)
def test_an_address_that_no_browser_takes(url, kind):
    with pytest.raises(Fault) as caught:
        read_address(url)
    assert diagnose(caught.value).kind == kind


@pytest.mark.parametrize(
    "url, page, kind",
    [
        ("ws://h/ws?token=a", "https://h", "mixed"),
        ("ws://0.0.0.0/ws?token=a", "http://h", "wildcard"),
        ("ws://[::]/ws?token=a", "", "wildcard"),
        ("ws://localhost/ws?token=a", "http://h", "loopback"),
        ("wss://[::1]/ws?token=a", "https://h", "loopback"),
        ("ws://h/ws", "http://h", "no_token"),
        ("ws://h/ws?token=a", "http://h", None),
        ("wss://h/ws?token=a", "https://h", None),
        ("ws://127.0.0.1/ws?token=a", "http://localhost:5000", None),
        # Browsers trust their own machine.
        ("ws://127.0.0.1/ws?token=a", "https://localhost:5000", None),
        ("ws://10.0.0.1/ws?token=a", "", None),
    ],
)
def test_what_a_browser_says_to_an_address(url, page, kind):
    address = read_address(url)
    if kind is None:
        assert check_address(address, page) == hide_token(url)
        return
    with pytest.raises(Fault) as caught:
        check_address(address, page)
    assert diagnose(caught.value).kind == kind
