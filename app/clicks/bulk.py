"""Many rows at once, in the fastest way that each engine has.

Rows are tuples in the order of the table's columns, without an id that the database gives. Nothing in them needs
to be converted: times and days are texts (`app.clicks.times`), which PostgreSQL reads in the session's time zone,
that is after `use_utc`. SQLAlchemy's handling of parameters was half of a batch's time before.
"""

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from select import select as select_ready
from socket import AF_UNIX, SO_SNDBUF, SOL_SOCKET, socket
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Date,
    Select,
    String,
    Table,
    Text,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.exc import DBAPIError

from app.database import insert_into

Row = tuple[Any, ...]
Rows = Collection[Row]
_CACHE = 16 * 1024  # KiB
_ROOM = 2**20  # bytes: what a batch of 16,000 lines adds to facets of links and visitors
_ESCAPE = re.compile(r"\\(?:u....|.)")


def use_utc(connection: Connection) -> None:
    """Let PostgreSQL read times as UTC until the transaction ends; on SQLite a time is its text."""
    if _is_postgresql(connection):
        connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")


def keep_pages(connection: Connection) -> None:
    """Let this connection to SQLite keep as many pages as a large batch changes: of 2 MB some are written to the log
    before the commit, read from there, and written again."""
    if not _is_postgresql(connection):
        connection.exec_driver_sql(f"PRAGMA cache_size = -{_CACHE}")


def insert_all(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert `rows`: COPY on PostgreSQL, on SQLite one statement prepared once."""
    if not _is_postgresql(connection):
        connection.exec_driver_sql(_sqlite_insert(table), list(rows))
        return
    with _driver(connection) as cursor, cursor.copy(_copy(table)) as copy:
        for row in rows:
            copy.write_row(row)


def add_all(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert `rows`, or add their numbers to those of the rows with their keys; `last_at` becomes the later one.

    They are taken in the order given: where that is the order of their keys, two who add to the same rows of a
    PostgreSQL never deadlock.
    """
    if _is_postgresql(connection):
        connection.execute(_postgresql_addition(table), _arrays(table, rows))
    else:
        connection.exec_driver_sql(_sqlite_addition(table), list(rows))


def listed(connection: Connection, ids: Iterable[int]) -> ColumnElement[int]:
    """A table's only column, of these: one parameter, where IN would have one for each, at a microsecond and more."""
    if _is_postgresql(connection):
        return func.unnest(literal(list(ids), postgresql.ARRAY(BigInteger))).column_valued("id")
    return func.json_each(_json([*ids])).table_valued("value").c.value


def move_all(connection: Connection, table: Table, old: int, new: int) -> None:
    """Add the rows of one subject, the first column of the key, to those of another, as `add_all` does."""
    key, *rest = table.columns
    moved = select(literal(new, key.type), *rest).where(key == old)
    statement = insert_into(table, connection).from_select(list(table.columns.keys()), moved)
    additions = _additions(table, statement.excluded)
    connection.execute(statement.on_conflict_do_update(index_elements=table.primary_key, set_=additions))
    connection.execute(delete(table).where(key == old))


@contextmanager
def insert_new(connection: Connection, table: Table, rows: Rows) -> Iterator[Callable[[], Iterable[Row]]]:
    """Insert those of `rows` that are not there yet; yields a function that returns which these were.

    The table's key is all of its columns. Within `unanswered` it is that function that waits for the answer.
    """
    with _driver(connection) as cursor:
        if _is_postgresql(connection):
            # A short answer: PostgreSQL stands still while one that no socket takes (200 KB) is not read.
            cursor.execute(_postgresql_new(table), _arrays(table, rows), binary=True)
            yield lambda: [(*group, last) for *group, new in cursor.fetchall() for last in new]
        else:
            statement = _sqlite_new(table)
            # RETURNING needs many rows a statement, and is no faster then
            new = [row for row in rows if cursor.execute(statement, row).rowcount]
            yield lambda: new


@contextmanager
def unanswered(connection: Connection) -> Iterator[Callable[[Callable[[], object]], None]]:
    """Send the statements of the block without waiting for answers: what fails is raised at the end of the block.

    Yields a function that takes what to do meanwhile. SQLite has no meanwhile: nothing is done there.
    """
    if not _is_postgresql(connection):
        yield lambda _: None
        return
    raw: Any = connection.connection.driver_connection
    with _driver(connection), raw.pipeline():
        _make_room(raw.pgconn.socket)

        def meanwhile(do: Callable[[], object]) -> None:
            while raw.pgconn.flush():  # what the socket did not take yet
                select_ready([], [raw.pgconn.socket], [])
            do()

        yield meanwhile


def _make_room(descriptor: int) -> None:
    """Let a unix socket take what is sent at once (200 KB by itself): TCP's sockets grow."""
    with socket(fileno=os.dup(descriptor)) as copy:
        if copy.family == AF_UNIX:
            copy.setsockopt(SOL_SOCKET, SO_SNDBUF, _ROOM)


def _is_postgresql(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


@contextmanager
def _driver(connection: Connection) -> Iterator[Any]:
    """A cursor of the driver's own in this transaction; its errors are raised as SQLAlchemy's."""
    dialect = connection.dialect
    driver_error: Any = dialect.dbapi and dialect.dbapi.Error
    cursor = connection.connection.cursor()
    try:
        yield cursor
    except driver_error as error:
        raise DBAPIError.instance(
            None, None, error, driver_error, hide_parameters=True, dialect=dialect
        ) from error
    finally:
        cursor.close()


def _columns(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if column is not table.autoincrement_column]


def _names(table: Table) -> list[str]:
    return [column.name for column in _columns(table)]


def _additions(table: Table, new: Any) -> dict[str, ColumnElement[Any]]:
    """What becomes of each column that is not part of the key; `new` is the row that was to be inserted."""
    return {
        column.name: _later(column, new.last_at) if column.name == "last_at" else column + new[column.name]
        for column in table.columns
        if not column.primary_key
    }


def _later(old: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[Any]:
    """The later of two times, of which either may be NULL (`greatest` is PostgreSQL's, `max` SQLite's)."""
    return case((or_(new.is_(None), old > new), old), else_=new)


@cache
def _sqlite_insert(table: Table) -> str:
    return _sqlite_text(table, sqlite.insert(table))


@cache
def _sqlite_addition(table: Table) -> str:
    statement = sqlite.insert(table)
    additions = _additions(table, statement.excluded)
    return _sqlite_text(
        table, statement.on_conflict_do_update(index_elements=table.primary_key, set_=additions)
    )


@cache
def _sqlite_new(table: Table) -> str:
    return _sqlite_text(table, sqlite.insert(table).on_conflict_do_nothing())


def _sqlite_text(table: Table, statement: sqlite.Insert) -> str:
    """The SQL with a question mark for each column, in their order."""
    return str(statement.compile(dialect=sqlite.dialect(), column_keys=_names(table)))


@cache
def _copy(table: Table) -> str:
    return f"COPY {table.name} ({', '.join(_names(table))}) FROM STDIN"


@cache
def _postgresql_addition(table: Table) -> postgresql.Insert:
    statement = postgresql.insert(table).from_select(_names(table), _rows_of_arrays(table))
    additions = _additions(table, statement.excluded)
    return statement.on_conflict_do_update(index_elements=table.primary_key, set_=additions)


@cache
def _postgresql_new(table: Table) -> str:
    statement = postgresql.insert(table).from_select(_names(table), _rows_of_arrays(table))
    *group, last = statement.on_conflict_do_nothing().returning(*table.columns).cte("new").columns
    given = (cast(column, Text) if isinstance(column.type, Date) else column for column in group)
    dialect = psycopg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy has no types for it
    return str(select(*given, func.array_agg(last)).group_by(*group).compile(dialect=dialect))


def _rows_of_arrays(table: Table) -> Select[Any]:
    """The rows of the table's `_arrays`, in their order."""
    columns = _columns(table)
    given = func.unnest(*map(_array_of, columns)).table_valued(*_names(table)).render_derived("given")
    return select(*given.columns)


def _array_of(column: Column[Any]) -> ColumnElement[Any]:
    # A text stays as it is: a cast would cut it where the column refuses it.
    kept = Text() if isinstance(column.type, String) else column.type
    return cast(bindparam(f"all_{column.name}", type_=Text), postgresql.ARRAY(kept))


def _arrays(table: Table, rows: Rows) -> dict[str, str]:
    """The parameters of `_rows_of_arrays`: each column as an array's literal."""
    return {f"all_{name}": _literal([row[i] for row in rows]) for i, name in enumerate(_names(table))}


def _literal(values: Sequence[Any]) -> str:
    """PostgreSQL's spelling of an array: JSON's but for the brackets, and for characters that need no escape here."""
    return "{" + _ESCAPE.sub(_unescaped, _json(values)[1:-1]) + "}"


def _unescaped(escape: re.Match[str]) -> str:
    return escape[0] if escape[0] in ('\\"', "\\\\") else str(orjson.loads(f'"{escape[0]}"'))


def _json(values: Sequence[Any]) -> str:
    return orjson.dumps(values).decode()
