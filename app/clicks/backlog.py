"""What lies in the spool and waits for the worker: for `/metrics`, `/readyz` and whoever is woken by them.

Told from files alone, since the database may be what is down: the worker notes every few seconds how far it
came. While it stands still so does its note, and both stay true.
"""

import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson
from flask import current_app
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import select

from app import clock, database
from app.clicks.ingest import spool_files
from app.clicks.models import SpoolPosition
from app.clicks.room import size_of
from app.clicks.spool import TEMPORARY_SUFFIX

NOTE = ".positions"

_TIME = re.compile(rb"\[[0-9]+,([0-9]{1,15}),")
_LONGEST_TIME = 32  # bytes from the start of a line to the end of its time


@dataclass(frozen=True, slots=True)
class Backlog:
    size: int
    """Bytes of all files, read or not: what SPOOL_LIMIT_BYTES bounds."""
    unread: int
    """Bytes that the worker has still to store."""
    age: float
    """Seconds since the oldest click among them; 0 when there is none."""


class BacklogCollector(Collector):
    """The backlog for Prometheus, looked up when it asks: gauges of the directory, which no process adds to."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Nothing where the directory cannot be read, which `/readyz` names."""
        with suppress(OSError):
            found = backlog(self._directory)
            yield GaugeMetricFamily("slugline_spool_bytes", "Bytes of all spool files", found.size)
            yield GaugeMetricFamily(
                "slugline_spool_unread_bytes",
                "Bytes of the spool that the worker has still to store",
                found.unread,
            )
            yield GaugeMetricFamily(
                "slugline_spool_oldest_unread_seconds", "Age of the oldest of them, 0 without any", found.age
            )


def backlog(directory: Path) -> Backlog:
    """Look at `directory`, which may not be there yet. Raises OSError when it cannot be read."""
    if not directory.exists():
        return Backlog(0, 0, 0.0)
    positions = _noted(directory)
    unread, times = 0, [clock.now().timestamp()]
    for name in spool_files(directory):
        with suppress(FileNotFoundError):  # stored and deleted meanwhile
            waiting, time = _unread(directory / name, positions.get(name, 0))
            unread += waiting
            times += [time] if waiting else []
    return Backlog(size_of(directory), unread, times[0] - min(times))


def note_positions() -> None:
    """Write down how far each spool file was stored; a chore of the worker."""
    directory: Path = current_app.config["SPOOL_DIR"]
    with database.reading() as connection:
        rows = connection.execute(
            select(SpoolPosition.file, SpoolPosition.position).where(
                SpoolPosition.file.in_(spool_files(directory))
            )
        ).all()
    temporary = directory / f"{secrets.token_hex(16)}{TEMPORARY_SUFFIX}"
    temporary.write_bytes(orjson.dumps({row.file: row.position for row in rows}))
    temporary.replace(directory / NOTE)


def _noted(directory: Path) -> dict[str, int]:
    try:
        noted: dict[str, int] = orjson.loads((directory / NOTE).read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):  # no worker yet, or emptied by a power cut
        return {}
    return noted


def _unread(path: Path, position: int) -> tuple[int, float]:
    """The bytes after `position`, and the time (seconds since the epoch) of the first line among them."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        found = _TIME.match(os.pread(fd, _LONGEST_TIME, position))
    finally:
        os.close(fd)
    # What is no click is as old as the file's last line, at least.
    return max(status.st_size - position, 0), int(found[1]) / 1000 if found else status.st_mtime
