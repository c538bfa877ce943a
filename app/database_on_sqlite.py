"""Connections to SQLite: in WAL mode, and their writers one after the other, in a line of their own.

A reading transaction that turned writer would fail at once with BUSY_SNAPSHOT, whatever the timeout, so a writing one
begins IMMEDIATE.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, event

LOG_LIMIT = 16_384
"""Pages of 4 KiB: how large SQLite's write-ahead log gets before a commit writes it back, should the worker not have
done it before (`app.clicks.checkpoints`)."""
_QUEUE_POLL = 0.001  # seconds


class QueuedConnection(sqlite3.Connection):
    """A SQLite connection whose writers queue on a lock file before they begin.

    SQLite's own busy handler sleeps ever longer between tries, so a writer that commits back to back (the
    click ingester) starves the rest: logins took 730 ms at the 99th percentile beside it, 22 ms with the queue.
    """

    read_only = False
    _queue: int | None = None

    def enter_queue(self, path: str, busy_timeout: float) -> float:
        """Wait for the turn to write, at most so many seconds; return those of them that are left, in which SQLite
        itself may refuse who got no turn."""
        if self._queue is None:
            self._queue = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + busy_timeout
        while time.monotonic() < deadline:
            try:
                fcntl.flock(self._queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                os.utime(self._queue)  # which `database.last_wait` and `database.giving_way` tell of
                time.sleep(_QUEUE_POLL)
        return deadline - time.monotonic()

    def touched(self) -> int:
        """A number that is another as soon as somebody waits for the turn that is this connection's."""
        return 0 if self._queue is None else os.fstat(self._queue).st_mtime_ns

    def leave_queue(self) -> None:
        if self._queue is not None:
            fcntl.flock(self._queue, fcntl.LOCK_UN)

    def commit(self) -> None:
        # A failed commit (full disk) leaves the transaction open: the rollback that follows leaves the queue.
        super().commit()
        self.leave_queue()

    def rollback(self) -> None:
        try:
            super().rollback()
        finally:
            self.leave_queue()

    def close(self) -> None:
        super().close()
        if self._queue is not None:
            os.close(self._queue)
            self._queue = None


def engine_options(url: URL) -> dict[str, Any]:
    """What `create_engine` takes; makes the file, so that nobody but its owner reads it."""
    _make_private(Path(url.database or ""))
    return {"connect_args": {"factory": QueuedConnection}}


def listen(engine: Engine, reads: Callable[[Connection], bool], busy_timeout: float) -> None:
    """Begin each transaction as what it is; a writing one as soon as it is its turn, within so many seconds."""
    event.listen(engine, "connect", lambda made, _record: _prepare(made, busy_timeout))
    event.listen(engine, "begin", lambda begun: _begin(begun, reads(begun), busy_timeout))


def queue_of(engine: Engine) -> str:
    """The file whose lock SQLite's writers queue for; its time of change is that of the last vain try."""
    return f"{engine.url.database}-queue"


def _make_private(file: Path) -> None:
    """Have a SQLite file that only its owner reads; SQLite gives the files beside it the same mode."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):  # what cannot be made is told when it is opened
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _prepare(connection: QueuedConnection, busy_timeout: float) -> None:
    connection.isolation_level = None  # `_begin` begins, not the driver
    connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout * 1000)}")
    # SQLite's own `lower` knows ASCII only, so that a search for Ärger would not find ärger.
    connection.create_function("lower", 1, _lower, deterministic=True)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")
    # In WAL mode NORMAL survives a killed process; only a power cut can lose the last commits.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_LIMIT}")


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _begin(connection: Connection, read_only: bool, busy_timeout: float) -> None:
    raw: Any = connection.connection.dbapi_connection
    # Past SQLAlchemy, which takes ten times as long: these two touch no file, so that they cannot fail.
    if raw.read_only != read_only:  # the pragma has every statement prepared anew
        raw.execute(f"PRAGMA query_only = {int(read_only)}")
        raw.read_only = read_only
    if read_only:
        raw.execute("BEGIN")
        return
    left = raw.enter_queue(queue_of(connection.engine), busy_timeout)
    try:
        # What is left: else who waits for a turn in vain would wait once more here.
        raw.execute(f"PRAGMA busy_timeout = {int(left * 1000)}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except BaseException:
        raw.leave_queue()
        raise
    finally:
        raw.execute(f"PRAGMA busy_timeout = {int(busy_timeout * 1000)}")
