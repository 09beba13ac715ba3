"""The files of deploy/, read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
GUNICORN_CONF = DEPLOY / "gunicorn.conf.py"

COMPOSE = DEPLOY / "docker/compose.yaml"
KUBERNETES = DEPLOY / "kubernetes/freeim.yaml"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def documents(path):
    """Returns the documents of a YAML file."""
    yaml = pytest.importorskip("yaml")
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def settings(unit):
    """Returns `NAME=value` lines of a unit; of several of a name the last."""
    text = unit.read_text(encoding="utf-8")
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.M))


def gunicorn_conf():
    """Returns what gunicorn.conf.py sets."""
    found = {}
    exec(compile(GUNICORN_CONF.read_text(encoding="utf-8"), "conf", "exec"), found)
    return found
