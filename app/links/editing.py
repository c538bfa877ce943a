"""Changing links. Of two changes at once the later one is refused (`Link.version`), never mixed in."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import inspect

from app import clock
from app.extensions import db
from app.links import codes, creating, finding, naming, tagging, writing
from app.links.codes import CodeTaken
from app.links.models import Link
from app.links.short_urls import Place
from app.preconditions import NONE, Precondition


def edit(owner_id: int, place: Place, changes: Mapping[str, Any], precondition: Precondition = NONE) -> Link:
    """Change some fields of the owner's link. Raises NotFound, ValidationFailed, PreconditionFailed."""
    columns = writing.prepared(changes)
    return _flushed(change(finding.own(owner_id, place), columns, precondition))


def put(
    owner_id: int, place: Place, fields: Mapping[str, Any], precondition: Precondition = NONE
) -> tuple[Link, bool]:
    """Make the link at `place` as `fields` say; return it, and whether it is new.

    Raises ValidationFailed, PreconditionFailed, and CodeTaken for a place where there is another's link or a
    deleted one.
    """
    codes.checked(place.code, frozenset())
    columns = writing.prepared(fields)
    link = finding.own_or_none(owner_id, place)
    if link is None:
        precondition.check_absent()
        try:
            return creating.create_at(owner_id, place, columns), True
        except CodeTaken:
            link = finding.own_or_none(owner_id, place)  # the same call may have come twice
            if link is None:
                raise
    return _flushed(change(link, columns, precondition)), False


def change(
    link: Link,
    columns: Mapping[str, Any],
    precondition: Precondition = NONE,
    tags: writing.Tags = tagging.tags,
    record: Callable[..., None] = naming.record,
) -> Link:
    """Put prepared columns on a link that was read in this transaction. The caller flushes.

    Raises ValidationFailed, PreconditionFailed.
    """
    precondition.check(link.version, link.updated_at)
    now = clock.now()
    writing.check_period(columns, now, link)
    writing.assign(link, columns, tags)
    if changed := sorted(_changed(link, columns)):
        link.updated_at = now
        record("link.changed", link, after={"fields": changed})
    return link


def _changed(link: Link, columns: Mapping[str, Any]) -> Iterator[str]:
    """The fields that are not as they are stored, under the names that clients know."""
    attributes = inspect(link).attrs
    for name in columns:
        if attributes[name].history.has_changes():
            yield name.removesuffix("_hash")


def _flushed(link: Link) -> Link:
    db.session.flush()
    return link
