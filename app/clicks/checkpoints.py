"""When SQLite's write-ahead log is written back to the database: by the worker, between transactions.

SQLite does it by itself in the commit that brings the log to 1,000 pages, whosever that is: half of the time that a
batch of clicks holds up the other writers, and beside ingest some 40 ms of somebody's sign-in. Done afterwards,
nobody waits for it, and in pieces that are larger it costs a third. So no connection does it before the log has
`database_on_sqlite.LOG_LIMIT`, which is as large as it gets while no worker runs.
"""

import time

from app import database
from app.extensions import db

_PERIOD = 0.25  # seconds: at full speed some 10,000 pages, 40 MB; at the pace of a web site a handful


class Checkpoints:
    """Writes the log back. Idle on PostgreSQL."""

    def __init__(self, period: float = _PERIOD) -> None:
        self._period = period
        self._due = 0.0

    def catch_up(self) -> None:
        """Write back what anybody has committed, at most four times a second. Waits for nobody, and nobody waits for
        it; where there is nothing to write, nothing is synced either."""
        if db.engine.dialect.name == "sqlite" and time.monotonic() >= self._due:
            with database.reading() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")
            self._due = time.monotonic() + self._period
