"""Connections to PostgreSQL: no trips to the server but the statements. One there and back takes 0.03 to 0.3 ms, as
long as most statements take by themselves.

Under READ COMMITTED each statement has a snapshot of its own, within a transaction or without. So a reading asks
without BEGIN and ROLLBACK; that it writes nothing, the session itself sees to, and a transaction that may write
begins as READ WRITE. And whether the server has closed an idle connection is seen on its socket (ADR 25).
"""

from collections.abc import Callable
from select import POLLIN, poll
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import DisconnectionError

_CONNECTING = {
    "connect_timeout": 5,  # seconds, like those of keepalives
    # A network that forgot an idle connection is noticed while nobody waits.
    "keepalives_idle": 60,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    # A server that is gone without a word keeps nobody waiting for longer: else some 15 minutes.
    "tcp_user_timeout": 30_000,  # milliseconds
}


def connecting(url: URL) -> dict[str, int]:
    """What libpq is told of connecting, where the URL does not say it."""
    return {name: value for name, value in _CONNECTING.items() if name not in url.query}


def engine_options(url: URL) -> dict[str, Any]:
    """What `create_engine` takes."""
    return {
        # Whatever the server is set to: who has waited for a lock reads on as of then, not as of his first statement.
        "isolation_level": "READ COMMITTED",
        # A statement that is planned once for all values fits a link of ten clicks or one of ten million, and fails
        # after a migration until the connection is closed.
        "connect_args": {**connecting(url), "prepare_threshold": None},
    }


def listen(engine: Engine, reads: Callable[[Connection], bool], busy_timeout: float) -> None:
    """Begin each transaction as what it is; within it, wait for each lock for at most so many seconds."""
    event.listen(engine, "connect", lambda made, _record: _prepare(made, busy_timeout))
    event.listen(engine, "checkout", _refuse_closed)
    event.listen(engine, "begin", lambda begun: _begin(begun, reads(begun)))
    event.listen(engine, "before_cursor_execute", _give_a_transaction)


def _prepare(connection: psycopg.Connection, busy_timeout: float) -> None:
    connection.execute(f"SET lock_timeout = {int(busy_timeout * 1000)}")
    connection.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY")
    connection.commit()


def _refuse_closed(connection: psycopg.Connection, _record: object, _proxy: object) -> None:
    """Have the pool replace a connection on whose socket there is something to read: the server's farewell, since it
    was asked nothing."""
    if not connection.closed:
        idle = poll()
        idle.register(connection.fileno(), POLLIN)
        if not idle.poll(0):
            return
    raise DisconnectionError("the server closed the connection")


def _begin(connection: Connection, read_only: bool) -> None:
    """Say how what follows is to begin; psycopg begins it with the first statement, or not at all."""
    raw: Any = connection.connection.dbapi_connection
    raw.read_only = read_only
    if "isolation_level" not in connection.get_execution_options():  # whoever chose one has chosen that, too
        raw.autocommit = read_only


def _give_a_transaction(_connection: Connection, cursor: object, *_: object) -> None:
    """What is read bit by bit (`yield_per`) is a cursor of the server's, which needs a transaction to live in."""
    if isinstance(cursor, psycopg.ServerCursor) and cursor.connection.autocommit:
        cursor.connection.autocommit = False
