"""Recording events, in the transaction of what they tell of: neither is kept without the other."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, insert
from sqlalchemy.orm import Session

from app import clock, database
from app.audit import circumstances
from app.audit.models import AuditEvent
from app.extensions import db
from app.ids import opaque_id

Event = dict[str, Any]
"""The columns of one."""

# Past the ORM, which on SQLite sends a statement for each.
_TABLE = database.table_of(AuditEvent)


def record(
    action: str,
    subject: str | None,
    *,
    owner: str | None,
    actor: str | None = None,
    failed: bool = False,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add an event to the session; it is stored when that commits.

    `action` is the noun and what became of it, in the past tense ("session.begun", "api_key.revoked"). `actor` is
    for a call that nobody is signed in to, and defaults to the one the door named. Of a refusal that is to be
    recorded the error must be one that keeps (`AppError.keeps`). `before` and `after` hold what tells no person and
    no secret: roles, statuses, scopes, times, and the names of fields.
    """
    told = event(action, subject, owner, failed=failed, before=before, after=after)
    db.session.add(AuditEvent(**told | ({"actor": actor} if actor else {})))


def record_all(within: Connection | Session, events: Iterable[Event]) -> None:
    """Store many events, a thousand in a statement."""
    rows = list(events)
    if rows:
        # RETURNING: what makes SQLAlchemy send many rows in a statement on both engines.
        within.execute(insert(_TABLE).returning(_TABLE.c.id), rows)


def record_apart(told: Event) -> None:
    """Store an event in a transaction of its own: for a GET, whose own refuses to write.

    Before anything is handed out. Raises SQLAlchemyError where it cannot be stored, so that nothing is.
    """
    with database.writing() as connection:
        connection.execute(insert(_TABLE), told)


def event(
    action: str,
    subject: str | None,
    owner: str | None,
    *,
    failed: bool = False,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> Event:
    """What `record` would store, for the two above."""
    now = circumstances.current()
    return {
        "public_id": opaque_id("evt"),
        "at": clock.now(),
        "action": action,
        "outcome": "failure" if failed else "success",
        "actor": now.actor,
        "credential": now.credential,
        "subject": subject,
        "owner": owner,
        "before": before,
        "after": after,
        "request_id": now.request_id,
        "ip_prefix": now.ip_prefix,
    }
