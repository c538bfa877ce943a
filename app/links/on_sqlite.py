"""Reading links on SQLite, and telling by the wal-index header whether anything was committed since (ADR 7).

The header is the first 48 bytes of the `-shm` file, which SQLite's processes share: every commit of any process
changes it, before the commit returns (https://www.sqlite.org/walformat.html#walidxfmt). To look costs 60 ns.
"""

import mmap
import os
import sqlite3
import threading
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine

from app.database import UTCDateTime
from app.links.lookup import NotNow
from app.links.models import DEFAULT_DOMAIN_ID
from app.links.resolve import COLUMNS, DOMAIN_ID, LINK, Resolved

_HEADER = 48  # bytes

# By device and inode, and never closed: closing any descriptor of the file would drop the locks that SQLite
# itself holds on it in this process (https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled).
_headers: dict[tuple[int, int], mmap.mmap] = {}


class Reader:
    """One thread's connection: outside the pool, reading only, and never waiting for a lock."""

    def __init__(self, connection: Any) -> None:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # now there is a -shm file
        self._cursor: sqlite3.Cursor = connection.cursor()
        self._held: object | None = None

    def first(
        self, statement: str, values: tuple[object, ...], stamp: object | None
    ) -> tuple[Any, ...] | None:
        """The first row. Reads of one `stamp` share a transaction, which spares most of their system calls.

        Raises NotNow where the database cannot be read.
        """
        try:
            if stamp is not self._held:
                self.release()
                if stamp is not None:
                    self._cursor.execute("BEGIN")
                    self._held = stamp
            row: tuple[Any, ...] | None = self._cursor.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            self.release()
            raise NotNow from error
        return row

    def release(self) -> None:
        """End the transaction, which keeps SQLite from starting its log anew."""
        if self._held is not None:
            self._held = None
            self._cursor.execute("ROLLBACK")


class SQLiteLinks:
    """The links in a SQLite file. Each thread has a connection of its own, made when it is first needed.

    A read takes microseconds and never waits for a lock: writers keep no reader out in WAL mode, and where
    SQLite would wait all the same (recovery after a crash) it is told not to. Who may not `wait` reads one
    snapshot until somebody commits, and calls `release` every now and then.
    """

    changes = 0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._link = str(LINK.compile(dialect=engine.dialect))
        self._domain = str(DOMAIN_ID.compile(dialect=engine.dialect))
        self._times: dict[int, Any] = {
            number: column.type.dialect_impl(engine.dialect).result_processor(engine.dialect, None)
            for number, column in enumerate(COLUMNS)
            if isinstance(column.type, UTCDateTime)
        }
        self._threads = threading.local()
        self._header: mmap.mmap | None = None
        self._stamp = b""

    def stamp(self) -> object | None:
        """One object for as long as nobody commits."""
        if self._header is None:
            return None
        seen = self._header[:_HEADER]
        if seen != self._stamp:
            self._stamp = seen
        return self._stamp

    def domain_id(self, host: str | None, wait: bool) -> int:
        row = self._first(self._domain, (host,), wait) if host is not None else None
        return row[0] if row else DEFAULT_DOMAIN_ID

    def link(self, domain_id: int, code: str, wait: bool) -> Resolved | None:
        row = self._first(self._link, (domain_id, code), wait)
        if row is None:
            return None
        link = Resolved._make(row)
        if link.starts_at or link.expires_at or link.deleted_at:
            link = Resolved._make(self._with_times(row))
        return link

    def _with_times(self, row: tuple[Any, ...]) -> list[Any]:
        """The row with its times as SQLAlchemy would give them; most links have none."""
        values = list(row)
        for number, processor in self._times.items():
            values[number] = processor(values[number])
        return values

    def release(self) -> None:
        """Let go of the snapshot that this thread reads, if it does."""
        if (reader := getattr(self._threads, "reader", None)) is not None:
            reader.release()

    def _first(self, statement: str, values: tuple[object, ...], wait: bool) -> tuple[Any, ...] | None:
        try:
            reader: Reader = self._threads.reader
        except AttributeError:
            reader = self._threads.reader = self._reader()
        return reader.first(statement, values, None if wait else self.stamp())

    def _reader(self) -> Reader:
        pooled = self._engine.raw_connection()
        connection = pooled.driver_connection
        pooled.detach()
        reader = Reader(connection)
        if self._header is None:
            with suppress(OSError, ValueError):  # no WAL, no header, nothing is remembered
                self._header = _header_of(f"{self._engine.url.database}-shm")
        return reader


def _header_of(path: str) -> mmap.mmap:
    found = os.stat(path)
    identity = found.st_dev, found.st_ino
    if identity not in _headers:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        _headers[identity] = mmap.mmap(fd, _HEADER, prot=mmap.PROT_READ)
    return _headers[identity]
