"""Alert rules and dashboard: their queries can be read and ask for what there is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from freeim.relay.metrics import Metrics
from freeim.websocket.frames import CloseReason


DEPLOY = Path(__file__).parent.parent / "deploy"
RULES = DEPLOY / "prometheus/freeim.rules.yml"
DASHBOARD = json.loads((DEPLOY / "grafana/freeim.json").read_text(encoding="utf-8"))

#: Label names of each series, as far as the metric has any of its own.
SERIES = {}
for one in Metrics().described:
    if one.kind == "histogram":
        for end in ("_bucket", "_count", "_sum"):
            SERIES[one.name + end] = {"le"} if end == "_bucket" else set()
    else:
        SERIES[one.name] = set(one.labels)

#: What Prometheus gives to each series.
TARGET = {"instance", "job"}


def rules():
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels():
    return [one for one in DASHBOARD["panels"] if one["type"] != "row"]


QUERIES = [
    *(pytest.param(one["expr"], id=one["alert"]) for one in rules()),
    *(
        pytest.param(target["expr"], id=f"{one['title']} {target['refId']}")
        for one in panels()
        for target in one["targets"]
    ),
]


def check_labels(query):
    """Checks that a query names labels that its metrics have."""
    names = set(re.findall(r"\bfreeim_\w+", query))
    assert names and names <= set(SERIES), names - set(SERIES)
    known = TARGET.union(*(SERIES[name] for name in names))
    used = set()
    for labels in re.findall(r"\bby \(([^)]*)\)", query):
        used |= {label.strip() for label in labels.split(",")}
    for labels in re.findall(r"\{([^}]*)\}", query):
        used |= set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels))
    assert used <= known, used - known


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_metrics_and_labels_that_there_are(query):
    check_labels(query)
    assert query.count("(") == query.count(")")
    for code in re.findall(r'code="(\d+)"', query):
        assert int(code) in {reason.code for reason in CloseReason}
    # A counter is of use by its change only, a gauge as it is.
    for name in re.findall(r"\bfreeim_\w+", query):
        changes = re.search(rf"(?:rate|increase)\({name}(?:\{{[^}}]*\}})?\[", query)
        counts = name.endswith(("_total", "_bucket", "_count", "_sum"))
        assert bool(changes) == counts, name


def test_labels_that_are_not_there_are_found():
    check_labels('rate(freeim_closed_total{code="4508"}[5m])')
    for query in (
        'freeim_sockets{code="1"}',
        "freeim_socket",
        "sum by (x) (freeim_sockets)",
    ):
        with pytest.raises(AssertionError):
            check_labels(query)


def test_each_rule_says_what_is_wrong_and_what_to_do():
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "remedy"}


def test_the_dashboard_shows_every_metric():
    text = json.dumps(DASHBOARD)
    asked = set(re.findall(r"\bfreeim_\w+", text))
    names = {re.sub("_bucket$", "", name) for name in asked}
    assert {one.name for one in Metrics().described} - names == set()
    ids = [one["id"] for one in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    assert all(one["title"] and one["targets"] for one in panels())


@pytest.mark.skipif(
    not shutil.which("promtool") and not os.environ.get("CI"),
    reason="no promtool: apt-get install prometheus",
)
def test_promtool_takes_the_rules_and_the_queries_of_the_dashboard(tmp_path):
    # A dashboard's variables have a value by then.
    known = {"$__rate_interval": "5m", "$instance": ".*"}
    records = []
    for number, query in enumerate(param.values[0] for param in QUERIES):
        for name, value in known.items():
            query = query.replace(name, value)
        records.append({"record": f"query:{number}", "expr": query})
    queries = tmp_path / "queries.yml"
    queries.write_text(yaml.safe_dump({"groups": [{"name": "q", "rules": records}]}))
    for path in (RULES, queries):
        command = ["promtool", "check", "rules", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr
