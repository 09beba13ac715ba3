"""Finds a fault in the tables of everything that can be wrong."""

from __future__ import annotations

from . import faults_before as before, faults_behind as behind
from .findings import FAILED, Fault, Hop


__all__ = ["DIAGNOSES", "diagnose"]

#: Hop → kind → diagnosis.
DIAGNOSES = {
    "redis": before.REDIS,
    "application": before.APPLICATION,
    "address": before.ADDRESS,
    "dns": before.DNS,
    "tcp": before.TCP,
    "tls": before.TLS,
    "upgrade": behind.UPGRADE,
    "token": behind.TOKEN,
    "node": behind.NODE,
    "message": behind.MESSAGE,
    "receipt": behind.RECEIPT,
    "ping": behind.PING,
    "idle": behind.IDLE,
    "close": behind.CLOSE,
}


def diagnose(fault: Fault) -> Hop:
    """Returns the hop that failed, with cause and fix."""
    diagnosis = DIAGNOSES[fault.hop][fault.kind]
    cause, fix = (text.format(**fault.evidence) for text in diagnosis)
    return Hop(fault.hop, FAILED, fault.seen, fault.kind, cause, fix)
