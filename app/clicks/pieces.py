"""Reading a spool file piece by piece, whole lines only."""

import fcntl
import os
from dataclasses import dataclass

_READ = 64 * 1024  # bytes; the longest line `line.encode` makes is some 12 kB


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
    chunk = _chunk(fd, start, most)
    whole = chunk.rfind(b"\n") + 1
    if not whole and len(chunk) >= _READ:
        # No line of ours is that long. Taken as one, it is a bad line, which never stops ingest.
        return Piece([chunk[:_READ]], start, start + _READ, last=False, tail=0)
    *lines, rest = chunk[:whole].split(b"\n", most)
    last = abandoned and not rest and start + len(chunk) >= os.fstat(fd).st_size
    return Piece(lines, start, start + whole - len(rest), last, tail=len(chunk) - whole if last else 0)


def _chunk(fd: int, start: int, most: int) -> bytes:
    """What holds `most` lines, or as much as there is; at the first read that ends no line it stops short of that.

    By small reads: one that is sure to be large enough brings thrice as much, and memory that is new each time.
    """
    parts: list[bytes] = []
    end, lines = start, 0
    while lines < most:
        part = os.pread(fd, _READ, end)
        parts.append(part)
        end += len(part)
        found = part.count(b"\n")
        lines += found
        if not found:
            break
    return b"".join(parts)


def _is_abandoned(fd: int) -> bool:
    """Whether the writer is gone: its lock went with its last descriptor. If so, the lock is ours now."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
