"""Reading a spool file piece by piece, whole lines only."""

import fcntl
import os
from dataclasses import dataclass

_READ = 64 * 1024  # bytes; the longest line `line.encode` makes is some 12 kB
_LINE = 512  # bytes of an ordinary line, and some more


@dataclass(frozen=True, slots=True)
class Piece:
    """The lines that one transaction takes of a file, without their newlines."""

    lines: list[bytes]
    start: int
    end: int
    """The offset after the last of `lines`."""
    last: bool
    """Nothing comes after it any more, but for a line cut short, `tail` bytes long, that is to be dropped."""
    tail: int


def read_piece(fd: int, start: int, most: int) -> Piece:
    """Read at most `most` lines from offset `start`. Raises OSError when the file cannot be read."""
    # In this order: once the lock is free, what is read afterwards is all there will ever be.
    abandoned = _is_abandoned(fd)
    chunk = os.pread(fd, max(_READ, most * _LINE), start)
    whole = chunk.rfind(b"\n") + 1
    if not whole and len(chunk) >= _READ:
        # No line of ours is that long. Taken as one, it is a bad line, which never stops ingest.
        return Piece([chunk[:_READ]], start, start + _READ, last=False, tail=0)
    *lines, rest = chunk[:whole].split(b"\n", most)
    last = abandoned and not rest and start + len(chunk) >= os.fstat(fd).st_size
    return Piece(lines, start, start + whole - len(rest), last, tail=len(chunk) - whole if last else 0)


def _is_abandoned(fd: int) -> bool:
    """Whether the writer is gone: its lock went with its last descriptor. If so, the lock is ours now."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
