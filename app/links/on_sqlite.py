"""Reading links on SQLite, and telling whether any was changed since (ADR 7).

The wal-index header is the first 48 bytes of the `-shm` file, which SQLite's processes share: every commit of any
process changes it, before the commit returns (https://www.sqlite.org/walformat.html#walidxfmt). To look costs 60 ns.
Most commits store clicks: triggers set another number in `link_changes` where one changes links, and that row is read
once after each commit.
"""

import mmap
import os
import sqlite3
import threading
from collections.abc import Collection
from contextlib import suppress
from typing import Any

import orjson
from sqlalchemy import Engine, bindparam, func, select
from sqlalchemy.exc import SQLAlchemyError

from app.database import UTCDateTime
from app.links.lookup import NotNow
from app.links.models import Domain, Link
from app.links.resolve import COLUMNS, LINKS, Resolved

_HEADER = 48  # bytes
_NUMBER = "SELECT number FROM link_changes"
# One statement for however many hosts or codes, so that it is prepared once.
_ASKED = func.json_each(bindparam("asked")).table_valued("value")
_DOMAINS = select(Domain.host, Domain.id).where(Domain.host.in_(select(_ASKED.c.value)))
_LINKS = LINKS.where(Link.code.in_(select(_ASKED.c.value)))

# By device and inode, and never closed: closing any descriptor of the file would drop the locks that SQLite
# itself holds on it in this process (https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled).
_headers: dict[tuple[int, int], mmap.mmap] = {}
_lock = threading.Lock()


class _Known:
    """A header, the number of changes that was read with it, and a stamp: the same while the number is."""

    __slots__ = ("header", "number", "stamp")

    def __init__(self, header: bytes, number: int, stamp: object | None = None) -> None:
        self.header = header
        self.number = number
        self.stamp = stamp or object()


class SQLiteLinks:
    """The links in a SQLite file. Each thread has a connection of its own, made when it is first needed.

    A read takes microseconds and never waits for a lock: writers keep no reader out in WAL mode, and where
    SQLite would wait all the same (recovery after a crash) it is told not to. Each is one statement, and a
    transaction of its own:
    one that was held until somebody commits would spare system calls, and keep SQLite from ever starting its log
    anew while the ingester works.
    """

    changes = 0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._links = str(_LINKS.compile(dialect=engine.dialect))
        self._domains = str(_DOMAINS.compile(dialect=engine.dialect))
        self._times: dict[int, Any] = {
            number: column.type.dialect_impl(engine.dialect).result_processor(engine.dialect, None)
            for number, column in enumerate(COLUMNS)
            if isinstance(column.type, UTCDateTime)
        }
        self._threads = threading.local()
        self._header: mmap.mmap | None = None
        self._known = _Known(b"", 0)

    def stamp(self) -> object | None:
        """One object for as long as no link changes."""
        if self._header is None:
            return None
        known, seen = self._known, self._header[:_HEADER]
        if seen != known.header:
            known = self._known = self._looked_up(seen, known)
        return known.stamp

    def _looked_up(self, seen: bytes, known: "_Known") -> "_Known":
        """What is known with this header. The number is read after it, so it tells of all commits up to then."""
        try:
            ((number,),) = self._rows(_NUMBER, ())
        except (NotNow, ValueError):  # no row
            return _Known(b"", 0)
        return _Known(seen, number, known.stamp if number == known.number else None)

    def domain_ids(self, hosts: Collection[str], wait: bool) -> dict[str, int]:
        return dict(self._rows(self._domains, (orjson.dumps(list(hosts)).decode(),)))

    def links(self, domain_id: int, codes: Collection[str], wait: bool) -> dict[str, Resolved]:
        rows = self._rows(self._links, (domain_id, orjson.dumps(list(codes)).decode()))
        return {row[0]: self._link(row[1:]) for row in rows}

    def _link(self, columns: tuple[Any, ...]) -> Resolved:
        link = Resolved._make(columns)
        if link.starts_at or link.expires_at or link.deleted_at:
            link = Resolved._make(self._with_times(columns))
        return link

    def _with_times(self, columns: tuple[Any, ...]) -> list[Any]:
        """The columns with their times as SQLAlchemy would give them; most links have none."""
        values = list(columns)
        for number, processor in self._times.items():
            values[number] = processor(values[number])
        return values

    def _rows(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        """All rows. Raises NotNow where the database cannot be read."""
        try:
            try:
                cursor: sqlite3.Cursor = self._threads.cursor
            except AttributeError:
                cursor = self._threads.cursor = self._connected()
            return cursor.execute(statement, values).fetchall()
        except (sqlite3.Error, SQLAlchemyError) as error:
            raise NotNow from error

    def _connected(self) -> sqlite3.Cursor:
        """A connection outside the pool, reading only, and never waiting for a lock."""
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # now there is a -shm file
        if self._header is None:
            with suppress(OSError, ValueError):  # no WAL, no header, nothing is remembered
                self._header = _header_of(f"{self._engine.url.database}-shm")
        cursor: sqlite3.Cursor = connection.cursor()
        return cursor


def _header_of(path: str) -> mmap.mmap:
    with _lock:  # of two made at once one would be freed, and its descriptor closed
        found = os.stat(path)
        identity = found.st_dev, found.st_ino
        if identity not in _headers:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            _headers[identity] = mmap.mmap(fd, _HEADER, prot=mmap.PROT_READ)
        return _headers[identity]
