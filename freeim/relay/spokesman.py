"""Which of several processes on one address answers receipts: exactly one does."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile

from ..errors import ConfigurationError


__all__ = ["Spokesman"]

#: The folder is shared by all users: a link that somebody left there is not followed.
FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class Spokesman:
    """Holds a lock file of this machine, by server name; the holder speaks for all.

    The kernel gives the lock up with the process, however that ends, and the next
    process that asks has it. Nothing waits for the lock.
    """

    def __init__(self, name: str) -> None:
        """Takes what all processes of one relay server have in common."""
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        user = os.getuid()
        self.path = os.path.join(tempfile.gettempdir(), f"freeim-{user}-{digest}.lock")
        self._file: int | None = None
        self._pid = 0

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

    def speaking(self) -> bool:
        """Returns whether this process holds the lock, taking it if nobody does."""
        if self._file is not None and not self._still_ours(self._file):
            self.resign()
        if self._file is None:
            self._file, self._pid = self._take(), os.getpid()
        return self._file is not None

    def resign(self) -> None:
        """Lets another process speak."""
        if self._file is not None:
            file, self._file = self._file, None
            with contextlib.suppress(OSError):
                os.close(file)

    def _open(self) -> int:
        return os.open(self.path, FLAGS, 0o600)

    def _take(self) -> int | None:
        file = self._open()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        return file

    def _still_ours(self, file: int) -> bool:
        # A fork shares the lock, so the child must ask anew; and a file that was
        # cleaned away locks nobody out.
        if self._pid != os.getpid():
            return False
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(file))
        except FileNotFoundError:
            return False
