"""The bound of the whole spool (SPOOL_LIMIT_BYTES): what a process may still write before it.

While the database is down nobody takes lines away, and the spool may share its disk with that database: a
disk that clicks have filled would keep it from coming back.
"""

import math
import os
import time
from contextlib import suppress
from pathlib import Path

# Each process looks after so many bytes of its own, some 16,000 clicks: 10 GiB are 160 files of the default size,
# for which a look takes 1 to 2 ms. The bound is overshot by less than this for each further process.
_STEP = 4 * 1024 * 1024
_PERIOD = 1.0  # seconds between two looks at a spool that is full


class Room:
    """What is left for one process. Not safe for threads: the spool asks under its lock."""

    def __init__(self, directory: Path, limit: int) -> None:
        """`limit` is in bytes; 0 is no limit. Looks at nothing yet."""
        self._directory = directory
        self._limit = limit
        self._left: float = 0 if limit else math.inf
        self._full_until = -math.inf

    def take(self, size: int) -> bool:
        """Whether `size` more bytes may be written; if so they are taken as written."""
        if size <= self._left:
            self._left -= size
            return True
        return self._look(size)

    def _look(self, size: int) -> bool:
        if time.monotonic() < self._full_until:
            return False
        left = min(self._limit - size_of(self._directory), _STEP) - size
        self._left = max(left, 0)
        if left < 0:
            self._full_until = time.monotonic() + _PERIOD
        return left >= 0


def size_of(directory: Path) -> int:
    """The bytes of the files in `directory`, those below it not counted; 0 where it cannot be read."""
    total = 0
    # Nothing is lost for a directory that cannot be listed: whether it can be written the write will tell.
    with suppress(OSError):
        for entry in os.scandir(directory):
            with suppress(FileNotFoundError):  # the worker deletes files at any time
                total += entry.stat(follow_symlinks=False).st_size if entry.is_file() else 0
    return total
