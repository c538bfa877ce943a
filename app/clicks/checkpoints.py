"""When SQLite's write-ahead log is written back to the database: by the ingester, between its transactions.

SQLite does it by itself in the commit that brings the log to 1,000 pages, which is about every batch: half of the
time that a batch then holds up the other writers. Done afterwards, nobody waits for it, and in pieces that are larger
it costs a third.
"""

import time

from sqlalchemy import Connection

from app import database

_PERIOD = 0.25  # seconds: at full speed some 10,000 pages, 40 MB; at the pace of a web site a handful
_LIMIT = 16_384  # pages, 64 MB: should nobody come to catch up, the next commit on this connection does


class Checkpoints:
    """Writes the log back after transactions that told of themselves with `put_off`. Idle on PostgreSQL."""

    def __init__(self, period: float = _PERIOD) -> None:
        self._period = period
        self._due = 0.0
        self._put_off = False

    def put_off(self, connection: Connection) -> None:
        """Keep the commit of this transaction from writing the log back."""
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"PRAGMA wal_autocheckpoint = {_LIMIT}")
            self._put_off = True

    def catch_up(self) -> None:
        """Write back what was put off, at most four times a second. Waits for nobody, and nobody waits for it."""
        if self._put_off and time.monotonic() >= self._due:
            with database.reading() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")
            self._put_off = False
            self._due = time.monotonic() + self._period
