"""What managers do to the links of others: switch them off and on, and block them. All else stays their owner's.

A link that was switched off its owner can switch on again; a blocked one leads nowhere (451, RFC 7725) until a
manager lets it, whatever its owner changes, deletes or restores.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, update

from app import clock
from app.accounts.principals import Principal
from app.errors import Forbidden, NotFound, PreconditionFailed
from app.extensions import db
from app.links import editing, finding, naming
from app.links.models import Link
from app.links.short_urls import Place
from app.preconditions import NONE, Precondition

SWITCH = "enabled"
"""The one field that managers change in the links of others."""


def edit(
    principal: Principal, place: Place, changes: Mapping[str, Any], precondition: Precondition = NONE
) -> Link:
    """Change some fields of one's own link; a manager may also switch off and on what belongs to others.

    Raises NotFound, ValidationFailed, PreconditionFailed, and Forbidden naming a field that is its owner's alone.
    """
    if not principal.moderates or finding.exists(principal.user_id, place):
        return editing.edit(principal.user_id, place, changes, precondition)
    return _switch(finding.own(None, place), changes, precondition)


def block(place: Place, reason: str, precondition: Precondition = NONE) -> Link:
    """Let the link lead nowhere, or change the reason why; also one that was deleted and might be restored.

    Raises NotFound, PreconditionFailed.
    """
    link = _set(place, Link.url != "", precondition, blocked_reason=reason)
    naming.record(
        "link.blocked", link
    )  # without the reason: text that somebody wrote, and it stands with the link
    return link


def unblock(place: Place, precondition: Precondition = NONE) -> Link:
    """Let a blocked link be what it would be otherwise. Raises NotFound, also where it is not blocked, and
    PreconditionFailed."""
    link = _set(place, Link.blocked_reason.is_not(None), precondition, blocked_reason=None)
    naming.record("link.unblocked", link)
    return link


def _switch(link: Link, changes: Mapping[str, Any], precondition: Precondition) -> Link:
    for name in changes:
        if name != SWITCH:
            raise Forbidden("Of the links of others managers change `enabled` alone.", field=name)
    before = link.enabled
    editing.change(link, changes, precondition)
    db.session.flush()
    if link.enabled != before:
        naming.record("link.enabled" if link.enabled else "link.disabled", link)
    return link


def _set(place: Place, which: ColumnElement[bool], precondition: Precondition, **values: Any) -> Link:
    """One statement: no change of the owner's can come between, and make the manager try again and again."""
    if not finding.is_code(place.code):
        raise NotFound()
    there = finding.at(None, place) & which
    expected = precondition.holds(Link.version.expression, Link.updated_at.expression)
    change = (
        update(Link).where(there, expected).values(**values, updated_at=clock.now(), version=Link.version + 1)
    )
    changed = db.session.scalar(change.returning(Link.id))
    if changed is None:
        raise PreconditionFailed() if db.session.scalar(finding.shown().where(there)) else NotFound()
    return db.session.scalars(finding.shown().where(Link.id == changed)).one()
