"""Which of several processes on one address answers receipts: exactly one does."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import math
import os
import tempfile
import time
from typing import NamedTuple

import gevent
from gevent.event import Event

from ..content import compact_json
from ..errors import ConfigurationError


__all__ = ["Note", "Spokesman", "may_follow"]

#: The folder is shared by all users: a link that somebody left there is not followed.
FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW

#: Bytes of the lock file that are read: more than a note has.
NOTE_SIZE = 4096

#: Seconds between two looks at a lock that is about to be given up, and for how long.
LOOK_PAUSE, TAKEOVER_TIMEOUT = 0.002, 1.0


class Note(NamedTuple):
    """What the lock file says: who speaks, or spoke until when (seconds since 1970)."""

    node: str
    left_at: float | None


class Spokesman:
    """Holds a lock file of this machine, by server name; the holder speaks for all.

    The kernel gives the lock up with the process, however that ends, and the next
    process that asks has it. A holder that ends in order hands over at one point of
    what all processes of its server hear, so that none answers for what it has
    answered already, and nothing stays without an answer.
    """

    def __init__(self, name: str, node: str) -> None:
        """Takes what all processes of one relay server have in common, and our own."""
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        user = os.getuid()
        self.path = os.path.join(tempfile.gettempdir(), f"freeim-{user}-{digest}.lock")
        self.node = node
        self._file: int | None = None
        self._pid = 0
        #: The node that handed over last, as far as we have heard.
        self._heard: str | None = None
        self._listens_since = math.inf
        #: Set once this process has handed over; it never speaks again.
        self.left = Event()

    def check(self) -> None:
        """Finds out whether the lock file can be opened.

        Raises:
            ConfigurationError: if it cannot.
        """
        try:
            os.close(self._open())
        except OSError as error:
            remedy = "point TMPDIR to a folder that this user may write to"
            raise ConfigurationError("TMPDIR", self.path, remedy) from error

    def listens(self) -> None:
        """Notes that this process hears all that is published from now on."""
        self._listens_since = time.time()

    def speaking(self) -> bool:
        """Returns whether this process holds the lock, taking it if nobody does."""
        if self._file is not None and not self._still_ours(self._file):
            self.resign()
        if self._file is None and not self.left.is_set():
            self._file, self._pid = self._take(), os.getpid()
        return self._file is not None

    @property
    def holds(self) -> bool:
        """Whether this process spoke when it was last asked."""
        return self._file is not None

    def heed(self, node: str) -> None:
        """Carries out a node's handover: ours, or one that somebody must follow now.

        Waits, a moment as a rule, until it is known who speaks from here on.
        """
        if node == self.node:
            self._leave()
            return
        self._heard = node
        end = time.monotonic() + TAKEOVER_TIMEOUT
        while not self.speaking() and time.monotonic() < end:
            note = self._note()
            if note is not None and note.node != node:
                return
            gevent.sleep(LOOK_PAUSE)

    def resign(self) -> None:
        """Lets another process speak, wherever it is in what it hears."""
        if self._file is not None:
            file, self._file = self._file, None
            with contextlib.suppress(OSError):
                os.close(file)

    def _leave(self) -> None:
        self.left.set()
        if self._file is not None:
            _write(self._file, Note(self.node, time.time()))
            self.resign()

    def _open(self) -> int:
        return os.open(self.path, FLAGS, 0o600)

    def _take(self) -> int | None:
        file = self._open()
        # Not locked even for a moment by who may not have it; and looked at again, as
        # its holder may have left meanwhile.
        if self._may_have(file) and _locked(file) and self._may_have(file):
            _write(file, Note(self.node, None))
            return file
        os.close(file)
        return None

    def _may_have(self, file: int) -> bool:
        note = _read(file)
        return may_follow(note, self._heard, self._listens_since, time.time())

    def _note(self) -> Note | None:
        file = self._open()
        try:
            return _read(file)
        finally:
            os.close(file)

    def _still_ours(self, file: int) -> bool:
        # A fork shares the lock, so the child must ask anew; and a file that was
        # cleaned away locks nobody out.
        if self._pid != os.getpid():
            return False
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(file))
        except FileNotFoundError:
            return False


def may_follow(
    note: Note | None, heard: str | None, listens_since: float, now: float
) -> bool:
    """Tells whether nothing that is still to be heard was answered by who spoke last.

    Args:
        note: what is said of who spoke last.
        heard: the node whose handover was heard last.
        listens_since: since when all is heard that is published.
    """
    if note is None or note.left_at is None or note.node == heard:
        return True
    # Whoever listens since then hears no message, and no handover, of before. A time
    # to come is one of before the clock was set.
    return not listens_since < note.left_at <= now


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: int) -> Note | None:
    """Returns what a lock file says; None if that is nothing, or half of it yet."""
    try:
        node, left_at = json.loads(os.pread(file, NOTE_SIZE, 0))
        return Note(str(node), None if left_at is None else float(left_at))
    except (ValueError, TypeError):
        return None


def _write(file: int, note: Note) -> None:
    data = compact_json(note).encode()
    # On a full disk the lock alone must do, as when its holder is killed.
    with contextlib.suppress(OSError):
        os.ftruncate(file, 0)
        os.pwrite(file, data, 0)
