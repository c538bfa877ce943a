"""How exactly it is known that a remembered statistic still holds: each account has a version, which moves in the
transaction that stores clicks on its links.

A reader asks for the version first and for the statistic afterwards, so what it remembers under a version was read
from that state of the roll-ups or a later one, never from an earlier one. SQLite: both are one snapshot. PostgreSQL,
READ COMMITTED: each statement has its own, and the second includes all that the first saw. A state between the two
is then remembered under a version that nobody who begins later finds.

Versions move by random steps: a database that was put back to an older state and stores other clicks from there does
not come to the same numbers again.
"""

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from app.audit import trail
from app.caching import cache
from app.clicks.bulk import add_all
from app.clicks.models import StatsVersion
from app.database import table_of
from app.extensions import db

EVERYBODY = 0
_STEP = 2**20  # at most: a hundred batches a second fill the column in thousands of years

_TABLE = table_of(StatsVersion)
_VERSIONS = (
    select(_TABLE.c.owner_id, _TABLE.c.version)
    .where(_TABLE.c.owner_id.in_(bindparam("owners", expanding=True)))
    .order_by(_TABLE.c.owner_id)
)
_OF_EVERYBODY = select(_TABLE.c.version).where(_TABLE.c.owner_id == EVERYBODY)


@dataclass(frozen=True, slots=True)
class Moment:
    """Clicks of some accounts' links, as far as they were stored at one time."""

    owners: Sequence[int]
    version: str

    def read(self, name: str, arguments: Sequence[object], read: Callable[[], object]) -> Any:
        """What `read` returns, or what it returned before of these accounts' clicks: `app.caching.Cache.read`."""
        return cache().read(name, [self.owners, *arguments], self.version, read)


def moment(owners: Iterable[int]) -> Moment:
    """The present one, for links of these owners; ask before anything is read."""
    ids = sorted({*owners})
    rows = db.session.execute(_VERSIONS, {"owners": [EVERYBODY, *ids]})
    return Moment(ids, ",".join(f"{owner_id}:{version}" for owner_id, version in rows) or "new")


def add_steps(connection: Connection, owners: Iterable[int]) -> None:
    """Let nothing of these accounts that was remembered so far count any more, once this transaction is committed."""
    if ids := sorted({*owners}):
        step = 1 + secrets.randbelow(_STEP)
        add_all(connection, _TABLE, [(owner_id, step) for owner_id in ids])


def of_everybody(connection: Connection) -> int:
    """The version that moves for all accounts at once."""
    return int(connection.scalar(_OF_EVERYBODY) or 0)


def forget_all() -> None:
    """Let nothing that was remembered so far count any more, in any process."""
    add_steps(db.session.connection(), [EVERYBODY])
    trail.record("cache.invalidated", None, owner=None)
