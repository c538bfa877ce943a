"""The files that a web process writes its clicks to, before it answers; `app.clicks.ingest` reads them.

Each process has a file of its own, which lives like this:

- it is made under a temporary name, locked, and only then renamed to `<time_ns>-<128 random bits>.spool`. So
  a reader never sees one unlocked while its writer lives, and the random name is its identity for good;
- each click, or the clicks that are answered together, are appended by a single `write`. What was written
  survives a `kill -9` at any later moment: the bytes are in the kernel's page cache, which only a crash of the
  machine takes along;
- nothing is appended after a line that was cut short (full disk): it stays an unterminated tail, which the
  reader drops, and is repeated in full in a new file, with those that stood behind it;
- the lock goes with the process, at rotation, or when the spool is full (`app.clicks.room`). Who gets it knows
  that no more lines will come.

Local disks only: `flock` and append mode are not to be trusted on a network's.
"""

import errno
import fcntl
import os
import secrets
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path

from app.clicks import metrics
from app.clicks.room import Room
from app.clicks.syncing import Policy, Syncing, syncing
from app.logs import log

SUFFIX = ".spool"
TEMPORARY_SUFFIX = ".tmp"

_MAX_BYTES = 64 * 1024 * 1024
_LOG_PERIOD = 10.0  # seconds; a full disk must not be filled with complaints about it
_FULL = (errno.ENOSPC, errno.EDQUOT)
# The descriptor is gone, or the file may not grow: nothing was written, and a new file may take the line.
_OTHER_FILE_HELPS = (errno.EBADF, errno.EFBIG)


class Spool:
    """Appends lines for one process. Safe for threads, and for a process that forks after using it."""

    _lock: threading.Lock
    _fd: int
    _size: int
    _path: Path
    _whole: bool
    """Whether the file ends in a whole line, and so may be appended to."""
    _room: Room
    _syncing: Syncing

    def __init__(
        self, directory: Path, max_bytes: int = _MAX_BYTES, limit_bytes: int = 0, fsync: Policy = "never"
    ) -> None:
        """`max_bytes` bounds one file, `limit_bytes` the directory (0: not at all).

        Opens nothing: the first append does, so that each forked worker has a file of its own.
        """
        self.lost = 0
        self._directory = directory
        self._max_bytes = max_bytes
        self._limit_bytes = limit_bytes
        self._fsync = fsync
        self._logged_at = -_LOG_PERIOD
        self._start_over()
        forked = weakref.WeakMethod(self._forked)
        os.register_at_fork(after_in_child=lambda: (method := forked()) and method())

    def append(self, *lines: bytes) -> bool:
        """Write `lines`, each of which ends in its only newline; tell whether all are safe. Never raises OSError.

        A loss is counted, logged, and forgotten: the next call tries anew.
        """
        lost, rest = 0, b"".join(lines)
        # One lock around the write costs 0.1 us, and no parallelism: the kernel locks the inode as well.
        # Without it another thread could glue its line to one that was just cut short.
        with self._lock:
            try:
                self._enter(len(rest))
                while rest:
                    rest = self._write(rest)
            except OSError as error:
                lost = rest.count(b"\n")
                self._lose(lost, error)
        metrics.SPOOLED.inc(len(lines) - lost)
        return not rest

    def check(self) -> None:
        """Raise OSError when the directory would not take a new file (for `/readyz`)."""
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        probe = self._directory / f"{secrets.token_hex(16)}{TEMPORARY_SUFFIX}"
        try:
            with open(probe, "xb", buffering=0) as file:
                file.write(b"\n")
        finally:
            probe.unlink(missing_ok=True)

    def _enter(self, size: int) -> None:
        """Take the room for so many bytes."""
        if not self._room.take(size):
            # The worker deletes finished files only: were this one kept, it alone could fill the room for good.
            self._leave()
            raise OSError(errno.EDQUOT, "the spool has reached SPOOL_LIMIT_BYTES")

    def _write(self, lines: bytes) -> bytes:
        """Append them, to a new file where this one takes no line whole; return those that were cut off."""
        self._prepare(len(lines))
        rest = self._attempt(lines)
        if len(rest) == len(lines):
            self._next_file()
            rest = self._attempt(lines)
            if len(rest) == len(lines):
                raise OSError(errno.EIO, "a new spool file took only a part of the line")
        self._syncing.written(self._path)
        return rest

    def _prepare(self, size: int) -> None:
        """Have a file that may be appended to."""
        if not self._whole:
            self._next_file()
        elif self._size and self._size + size > self._max_bytes:
            try:
                self._next_file()
            except OSError as error:
                self._complain("spool rotation failed; the file grows on", error)

    def _attempt(self, lines: bytes) -> bytes:
        """Append `lines`; return those that are not in the file as a whole and can be repeated in another."""
        # Taken back below: an exception out of a signal handler may strike between any two lines here.
        self._whole = False
        try:
            written = os.write(self._fd, lines)
        except OSError as error:
            if error.errno in _OTHER_FILE_HELPS:
                if error.errno == errno.EBADF:
                    self._fd = -1
                return lines
            self._whole = error.errno in _FULL  # nothing was written, so the file stays good for later
            raise
        self._size += written
        self._whole = written == len(lines)
        if self._whole:
            return b""
        metrics.SHORT_WRITES.inc()
        return lines[lines.rfind(b"\n", 0, written) + 1 :]

    def _next_file(self) -> None:
        fd = self._new_file()
        if self._fd < 0:
            self._fd = fd
        else:
            # Onto the same number, so that this process never holds a number that was closed and given to
            # another file. It also ends the lock of the file before, which is finished now.
            os.dup2(fd, self._fd, inheritable=False)
            os.close(fd)
        self._size = 0
        self._whole = True

    def _new_file(self) -> int:
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        # The random bits are the name's identity; the time is for the eye and for a rough order.
        name = f"{time.time_ns()}-{secrets.token_hex(16)}"
        temporary = self._directory / f"{name}{TEMPORARY_SUFFIX}"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(temporary, self._directory / f"{name}{SUFFIX}")
        except BaseException:
            os.close(fd)
            temporary.unlink(missing_ok=True)
            raise
        self._path = self._directory / f"{name}{SUFFIX}"
        return fd

    def _leave(self) -> None:
        """Finish the file, if there is one, without beginning another."""
        fd, self._fd = self._fd, -1
        self._whole = False
        if fd >= 0:
            with suppress(OSError):
                os.close(fd)

    def _start_over(self) -> None:
        self._lock = threading.Lock()
        self._fd = -1
        self._size = 0
        self._whole = False
        self._room = Room(self._directory, self._limit_bytes)
        self._syncing = syncing(self._fsync, self._complain)

    def _forked(self) -> None:
        """In a forked child: leave the parent's file, whose lock a shared descriptor would keep alive."""
        self._leave()
        self._start_over()  # with a new lock: a thread that is not in this process may hold the old one

    def _lose(self, count: int, error: OSError) -> None:
        self.lost += count
        metrics.LOST.inc(count)
        self._complain("click lost: the spool cannot be written", error)

    def _complain(self, event: str, error: Exception) -> None:
        now = time.monotonic()
        if now - self._logged_at >= _LOG_PERIOD:
            self._logged_at = now
            with suppress(OSError):  # the log may go to the same full disk
                log.error(event, error=str(error), lost=self.lost)
