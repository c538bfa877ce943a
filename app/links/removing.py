"""Deleting links, and taking that back while it can be. The row stays: a code once given out stays taken."""

from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, select, update

from app import clock
from app.errors import AppError, NotFound, PreconditionFailed
from app.extensions import db
from app.links import finding, naming
from app.links.models import Link
from app.links.short_urls import Place
from app.preconditions import NONE, Precondition


class RestoreTooLate(AppError):
    status, code, message = 410, "LINK_DELETED", "This link was deleted too long ago to be restored."


def remove(owner_id: int, place: Place, precondition: Precondition = NONE) -> None:
    """Delete the owner's link. Raises NotFound, PreconditionFailed."""
    now = clock.now()
    expected = precondition.holds(Link.version.expression, Link.updated_at.expression)
    live = Link.deleted_at.is_(None)
    link = _update(owner_id, place, live & expected, deleted_at=now, updated_at=now)
    if link is None:
        finding.own(owner_id, place)
        raise PreconditionFailed()
    naming.record("link.deleted", link)


def restore(owner_id: int, place: Place) -> Link:
    """Take a deletion back; a link that is not deleted is returned as it is, since the call may have come twice.

    Raises NotFound, RestoreTooLate.
    """
    now = clock.now()
    link = _update(owner_id, place, restorable(now), deleted_at=None, updated_at=now)
    if link is not None:
        naming.record("link.restored", link)
        return link
    deleted_at = db.session.scalar(select(Link.deleted_at).where(finding.at(owner_id, place)))
    if deleted_at is not None:
        raise RestoreTooLate()
    return finding.own(owner_id, place)


def restorable(now: datetime) -> ColumnElement[bool]:
    """The condition for deleted links that can be had back."""
    return (Link.deleted_at > horizon(now)) & (Link.url != "")


def horizon(now: datetime) -> datetime:
    """What was deleted then, or before, is gone for good."""
    return now - timedelta(days=current_app.config["RESTORE_DAYS"])


def _update(owner_id: int, place: Place, condition: ColumnElement[bool], **values: Any) -> Link | None:
    """One conditional statement: of two calls at once only one finds the link as it was."""
    if not finding.is_code(place.code):
        raise NotFound()
    change = (
        update(Link).where(finding.at(owner_id, place), condition).values(**values, version=Link.version + 1)
    )
    return db.session.scalar(change.returning(Link))
