"""The server's processes as Linux sees them: on which cores, at what cost of CPU, of what size."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from tests.e2e.processes import children

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 13, 14  # fields of /proc/PID/stat, of which the second, the name, may hold blanks


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """What is started within stays on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def family(pid: int) -> list[int]:
    """The process and those that it started."""
    return [pid, *children(pid)]


def cpu_seconds(pids: Iterable[int]) -> float:
    """What they have used so far."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[_USER - 2]) + int(fields[_SYSTEM - 2])
    return total * _TICK


class Memory(NamedTuple):
    """Bytes of one process."""

    rss: int
    """All that it has in memory, mapped files too."""
    anonymous: int
    """What is no file's: the heap, above all."""


def memory(pids: Iterable[int]) -> Memory:
    """Of the process with the most of its own: Gunicorn's master has more pages of files, and never grows."""
    return max(map(_rollup, pids), key=attrgetter("anonymous"))


def _rollup(pid: int) -> Memory:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: 1024 * int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return Memory(sizes["Rss"], sizes["Anonymous"])
