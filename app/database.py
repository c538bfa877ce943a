"""How Slugline talks to SQLite and PostgreSQL: the model base, times in UTC, reading and writing connections.

On both engines a transaction is either reading or writing, decided before it begins: a reading one refuses to
write (so that a GET that writes fails on both), a writing one on SQLite begins IMMEDIATE, because a reader that
turns writer fails at once with BUSY_SNAPSHOT, whatever the timeout.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask, current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    URL,
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    Table,
    event,
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives row ids out by itself only to a column of exactly INTEGER.
BigId = BigInteger().with_variant(Integer, "sqlite")

Insert = postgresql.Insert | sqlite.Insert
"""One that has ON CONFLICT."""

_READ_ONLY = "read_only"
_BUSY_TIMEOUT = 5.0  # seconds a writer waits for a lock before it gives up and the caller gets a 503
_QUEUE_POLL = 0.001  # seconds
LOG_LIMIT = 16_384
"""Pages of 4 KiB: how large SQLite's write-ahead log gets before a commit writes it back, should the worker not have
done it before (`app.clicks.checkpoints`)."""
_LOOK_EVERY = 5_000  # steps of SQLite's virtual machine: some 0.3 ms


class Base(DeclarativeBase):
    """The base of every model; shares its metadata with `db`."""

    metadata = metadata


class UTCDateTime(TypeDecorator[datetime]):
    """Aware datetimes in, aware UTC datetimes out, on engines that keep time zones and those that don't."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime has no place in the database")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class GaveWay(Exception):
    """Another writer began to wait, so this transaction was given up: nothing of it is stored."""


class QueuedConnection(sqlite3.Connection):
    """A SQLite connection whose writers queue on a lock file before they begin.

    SQLite's own busy handler sleeps ever longer between tries, so a writer that commits back to back (the
    click ingester) starves the rest: logins took 730 ms at the 99th percentile beside it, 22 ms with the queue.
    """

    _queue: int | None = None

    def enter_queue(self, path: str) -> float:
        """Wait for the turn to write, at most the busy timeout; return the seconds of it that are left, in which
        SQLite itself may refuse who got no turn."""
        if self._queue is None:
            self._queue = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _BUSY_TIMEOUT
        while time.monotonic() < deadline:
            try:
                fcntl.flock(self._queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                os.utime(self._queue)  # which `last_wait` and `giving_way` tell of
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


def init_app(app: Flask, db: SQLAlchemy) -> None:
    """Bind `db` to the application, with an engine whose transactions are reading or writing."""
    url = make_url(app.config["SQLALCHEMY_DATABASE_URI"])
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = _engine_options(url, app.config["WEB_THREADS"])
    db.init_app(app)
    with app.app_context():
        engine = db.engine
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _prepare_postgresql)
        event.listen(engine, "begin", _begin_postgresql)


@contextmanager
def writing() -> Iterator[Connection]:
    """A short write transaction of its own: committed at the end of the block, rolled back on an exception.

    Never inside an open writing `db.session` (SQLite would wait for itself).
    """
    with _engine().begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine | None = None) -> Iterator[Connection]:
    """A short transaction that refuses to write, on `engine` where there is no application context."""
    with (engine or _engine()).connect().execution_options(**{_READ_ONLY: True}) as connection:
        yield connection


@contextmanager
def giving_way(connection: Connection) -> Iterator[None]:
    """Give the transaction up amid a statement of this block as soon as another of SQLite's writers waits for it.

    Raises GaveWay then. On PostgreSQL, where nobody waits for a whole transaction, nothing is given up.
    """
    raw = connection.connection.driver_connection
    if not isinstance(raw, QueuedConnection):
        yield
        return
    before = raw.touched()
    raw.set_progress_handler(lambda: raw.touched() != before, _LOOK_EVERY)
    try:
        yield
    except OperationalError as error:
        # Nobody else interrupts.
        if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            raise GaveWay from error
        raise
    finally:
        raw.set_progress_handler(None, 0)


def last_wait() -> float:
    """When a writer of any process last had to wait for its turn, in seconds since the epoch; on PostgreSQL none has
    to: 0."""
    engine = _engine()
    if engine.dialect.name == "sqlite":
        with suppress(FileNotFoundError):  # as long as nobody has written
            return os.stat(_queue_of(engine)).st_mtime
    return 0.0


def table_of(model: type[Base]) -> Table:
    """The table of a model: for statements past the ORM."""
    table: Table = model.__table__  # type: ignore[assignment]  # declared as FromClause, which a mapped class narrows
    return table


def insert_into(table: Any, connection: Connection) -> Insert:
    """An INSERT that has ON CONFLICT, which both engines have and SQLAlchemy spells once for each."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def make_read_only(session: Any) -> None:
    """Let what `session` begins from here on refuse to write."""
    session.execution_options = session.execution_options.union({_READ_ONLY: True})


def _engine_options(url: URL, threads: int) -> dict[str, Any]:
    options = {
        "hide_parameters": True,  # errors go to the log, parameters hold addresses and hashes
        "pool_size": threads + 1,  # a thread that holds a session may need a short transaction beside it
        "max_overflow": threads,
        "pool_timeout": _BUSY_TIMEOUT,
    }
    if url.drivername == "sqlite":
        _make_private(Path(url.database or ""))
        return {**options, "connect_args": {"factory": QueuedConnection, "timeout": _BUSY_TIMEOUT}}
    # Whatever the server is set to: who has waited for a lock reads on as of then, not as of his first statement.
    level = {"isolation_level": "READ COMMITTED"}
    return {**options, **level, "pool_pre_ping": True, "connect_args": {"connect_timeout": 5}}


def _make_private(file: Path) -> None:
    """Have a SQLite file that only its owner reads; SQLite gives the files beside it the same mode."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):  # what cannot be made is told when it is opened
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _engine() -> Engine:
    engine: Engine = current_app.extensions["sqlalchemy"].engine
    return engine


def _queue_of(engine: Engine) -> str:
    """The file whose lock SQLite's writers queue for; its time of change is that of the last vain try."""
    return f"{engine.url.database}-queue"


def _prepare_sqlite(connection: QueuedConnection, _record: object) -> None:
    connection.isolation_level = None  # `_begin_sqlite` begins, not the driver
    # SQLite's own `lower` knows ASCII only, so that a search for Ärger would not find ärger.
    connection.create_function("lower", 1, _lower, deterministic=True)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")
    # In WAL mode NORMAL survives a killed process; only a power cut can lose the last commits.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_LIMIT}")


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _begin_sqlite(connection: Connection) -> None:
    raw: Any = connection.connection.dbapi_connection
    read_only = bool(connection.get_execution_options().get(_READ_ONLY))
    # Past SQLAlchemy, which takes ten times as long: these two touch no file, so that they cannot fail.
    raw.execute(f"PRAGMA query_only = {int(read_only)}")
    if read_only:
        raw.execute("BEGIN")
        return
    left = raw.enter_queue(_queue_of(connection.engine))
    try:
        # What is left: else who waits for a turn in vain would wait once more here.
        raw.execute(f"PRAGMA busy_timeout = {int(left * 1000)}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except BaseException:
        raw.leave_queue()
        raise
    finally:
        raw.execute(f"PRAGMA busy_timeout = {int(_BUSY_TIMEOUT * 1000)}")


def _prepare_postgresql(connection: Any, _record: object) -> None:
    connection.execute(f"SET lock_timeout = {int(_BUSY_TIMEOUT * 1000)}")
    connection.commit()


def _begin_postgresql(connection: Connection) -> None:
    raw: Any = connection.connection.dbapi_connection
    raw.read_only = bool(connection.get_execution_options().get(_READ_ONLY))
