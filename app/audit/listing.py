"""Lists of events: filtered, the latest first, page by page or whole."""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select

from app.audit.models import AuditEvent
from app.extensions import db
from app.keyset import Key, Listing

_NEWEST_FIRST = (
    Key(AuditEvent.at.expression, descending=True),
    Key(AuditEvent.id.expression, descending=True),
)
_ROWS = 1_000  # read at a time
_EQUAL = ("action", "outcome", "actor", "subject", "owner")


@dataclass(frozen=True)
class Filters:
    """What a list is narrowed to; None leaves a thing open. The period includes its beginning, not its end."""

    action: str | None = None
    outcome: str | None = None
    actor: str | None = None
    subject: str | None = None
    owner: str | None = None
    start: datetime | None = None
    end: datetime | None = None


def events(filters: Filters) -> Listing[AuditEvent]:
    """The events that match, the latest first."""
    return Listing(AuditEvent, _conditions(filters), _NEWEST_FIRST)


def every(filters: Filters) -> Generator[Any]:
    """All of them, the oldest first, however many, as rows that are read a thousand at a time. Close it."""
    return _read(*_conditions(filters))


def concerning(user: str) -> Generator[Any]:
    """All events that are a user's affair or doing, by the public id: first those of the own account, then what was
    done to others, each the oldest first, as `every` reads them."""
    own, foreign = AuditEvent.owner == user, AuditEvent.owner.is_distinct_from(user)
    yield from _read(own)
    yield from _read(AuditEvent.actor == user, foreign)


def _read(*conditions: ColumnElement[bool]) -> Generator[Any]:
    columns = AuditEvent.__table__.columns
    query = select(*columns).where(*conditions).order_by(AuditEvent.at, AuditEvent.id)
    with db.session.execute(query, execution_options={"yield_per": _ROWS}) as found:
        yield from found


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    wanted = {name: getattr(filters, name) for name in _EQUAL}
    conditions: list[Any] = [
        getattr(AuditEvent, name) == value for name, value in wanted.items() if value is not None
    ]
    if filters.start is not None:
        conditions.append(AuditEvent.at >= filters.start)
    if filters.end is not None:
        conditions.append(AuditEvent.at < filters.end)
    return conditions
