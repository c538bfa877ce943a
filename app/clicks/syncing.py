"""When spool lines are forced from the kernel's memory onto the disk (SPOOL_FSYNC).

A killed process loses nothing under any policy. When the machine itself stops (power, kernel) `never` loses
what the kernel had not written yet, some 30 s; `interval` a second or so; `always` no click that was answered.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from app.clicks import metrics

Policy = Literal["never", "interval", "always"]
PERIOD = 1.0  # seconds that `interval` waits

Complain = Callable[[str, Exception], None]


class Syncing(Protocol):
    """One process's way to sync. The spool calls it under its lock, after each line."""

    def written(self, path: Path) -> None:
        """The file at `path` has grown. Never raises OSError: the line is there, if not on the disk."""


class _Never:
    def written(self, path: Path) -> None:
        """The kernel writes in its own time."""


class _Always:
    def __init__(self, complain: Complain) -> None:
        self._complain = complain
        self._named: Path | None = None

    def written(self, path: Path) -> None:
        _sync(path, self._complain)
        if path != self._named:
            _sync(path.parent, self._complain)  # a new file's name is the directory's content
            self._named = path


class _Interval:
    """A thread that waits, syncs and ends: none is left idle, and a process that ends in good order waits for
    it. Not the visitors' threads: a sync takes milliseconds, on a busy disk hundreds."""

    def __init__(self, complain: Complain) -> None:
        self._complain = complain
        self._lock = threading.Lock()
        self._paths: set[Path] = set()
        self._under_way = False

    def written(self, path: Path) -> None:
        with self._lock:
            self._paths.add(path)
            if self._under_way:
                return
            self._under_way = True
        try:
            threading.Thread(target=self._sync_later, name="spool-sync").start()
        except RuntimeError as error:  # too many threads; the next line tries again
            self._under_way = False
            self._complain("no thread to sync the spool", error)

    def _sync_later(self) -> None:
        time.sleep(PERIOD)
        with self._lock:
            paths, self._paths, self._under_way = self._paths, set(), False
        for path in sorted({*paths, *(path.parent for path in paths)}):
            _sync(path, self._complain)


def syncing(policy: Policy, complain: Complain) -> Syncing:
    """What `policy` asks for; `complain` is told what went wrong."""
    match policy:
        case "never":
            return _Never()
        case "interval":
            return _Interval(complain)
        case "always":
            return _Always(complain)


def _sync(path: Path, complain: Complain) -> None:
    """Force a file or a directory onto the disk, through a descriptor of our own: rotation may close others."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)
    except FileNotFoundError:
        return  # the worker has stored and deleted it
    except OSError as error:
        metrics.SYNC_FAILURES.inc()
        complain("the spool cannot be synced", error)
