"""How Slugline talks to SQLite and PostgreSQL: the model base, times in UTC, reading and writing connections.

On both engines a transaction is either reading or writing, decided before it begins: a reading one refuses to
write, so that a GET that writes fails on both (ADR 4).
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from flask import Flask, current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    Table,
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

from app import database_on_postgresql, database_on_sqlite
from app.database_on_sqlite import QueuedConnection, queue_of

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


def init_app(app: Flask, db: SQLAlchemy) -> None:
    """Bind `db` to the application, with an engine whose transactions are reading or writing."""
    url = make_url(app.config["SQLALCHEMY_DATABASE_URI"])
    kind = database_on_sqlite if url.drivername == "sqlite" else database_on_postgresql
    threads: int = app.config["WEB_THREADS"]
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "hide_parameters": True,  # errors go to the log, parameters hold addresses and hashes
        # A thread that holds a session may need a short transaction beside it; and two threads read links.
        "pool_size": threads + 2,
        "max_overflow": threads,
        "pool_timeout": _BUSY_TIMEOUT,
        **kind.engine_options(url),
    }
    db.init_app(app)
    with app.app_context():
        kind.listen(db.engine, _reads, _BUSY_TIMEOUT)


@contextmanager
def writing() -> Iterator[Connection]:
    """A short write transaction of its own: committed at the end of the block, rolled back on an exception.

    Never inside an open writing `db.session` (SQLite would wait for itself).
    """
    with _engine().begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine | None = None) -> Iterator[Connection]:
    """A short transaction that refuses to write, on `engine` where there is no application context.

    On PostgreSQL it is none: each statement is by itself, which READ COMMITTED would have it be anyway (ADR 25).
    """
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
            return os.stat(queue_of(engine)).st_mtime
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


def _engine() -> Engine:
    engine: Engine = current_app.extensions["sqlalchemy"].engine
    return engine


def _reads(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get(_READ_ONLY))
