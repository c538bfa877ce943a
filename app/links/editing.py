"""Changing links. Of two changes at once the later one is refused (`Link.version`), never mixed in."""

from collections.abc import Mapping
from typing import Any

from app import clock
from app.extensions import db
from app.links import codes, creating, finding, writing
from app.links.codes import CodeTaken
from app.links.models import Link
from app.links.short_urls import Place


def edit(owner_id: int, place: Place, changes: Mapping[str, Any]) -> Link:
    """Change some fields of the owner's link. Raises NotFound, ValidationFailed."""
    columns = writing.prepared(changes)
    return _change(finding.own(owner_id, place), columns)


def put(owner_id: int, place: Place, fields: Mapping[str, Any]) -> tuple[Link, bool]:
    """Make the link at `place` as `fields` say; return it, and whether it is new.

    Raises ValidationFailed, and CodeTaken for a place where there is another's link or a deleted one.
    """
    codes.checked(place.code, frozenset())
    columns = writing.prepared(fields)
    link = finding.own_or_none(owner_id, place)
    if link is None:
        try:
            return creating.create_at(owner_id, place, columns), True
        except CodeTaken:
            link = finding.own_or_none(owner_id, place)  # the same call may have come twice
            if link is None:
                raise
    return _change(link, columns), False


def _change(link: Link, columns: Mapping[str, Any]) -> Link:
    now = clock.now()
    writing.check_period(columns, now, link)
    writing.assign(link, columns)
    if db.session.is_modified(link):
        link.updated_at = now
        db.session.flush()
    return link
