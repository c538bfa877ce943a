"""Many changes to one's links in one transaction, each with the outcome that it would have had alone, in order.

The order of work differs: all is prepared before the transaction begins, new links are stored together, and those
that are there are held from the start. What an item sees is what the items before it left.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app import clock
from app.accounts.models import User
from app.audit import trail
from app.audit.trail import Event
from app.errors import AppError, NotFound, PreconditionFailed, Unavailable
from app.extensions import db
from app.links import bulk, creating, editing, finding, naming, short_urls, tagging, writing
from app.links.bulk import NewLink
from app.links.codes import CodeTaken
from app.links.models import Link, Tag
from app.links.short_urls import Place


@dataclass(frozen=True)
class Creation:
    """A link to make, as `creating.create` takes it."""

    fields: Mapping[str, Any]
    code: str | None = None
    domain: str | None = None


@dataclass(frozen=True)
class Change:
    """Fields to change, as `editing.edit` takes them; `version` is the one that the link must have."""

    code: str
    changes: Mapping[str, Any]
    domain: str | None = None
    version: int | None = None


@dataclass(frozen=True)
class Removal:
    """A link to delete; `version` is the one that it must have."""

    code: str
    domain: str | None = None
    version: int | None = None


Item = Creation | Change | Removal | AppError
"""A refusal among the items was found before; it is their outcome."""
Outcome = Link | AppError | None
"""The link as the item leaves it, None for one that is deleted, or why not."""


@dataclass(frozen=True, eq=False)
class _Change:
    place: Place
    columns: Mapping[str, Any]
    version: int | None


@dataclass(frozen=True, eq=False)
class _Removal:
    place: Place
    version: int | None


_Step = NewLink | _Change | _Removal | AppError


def run(owner_id: int, items: Sequence[Item], *, dry_run: bool = False) -> Iterator[Outcome]:
    """Do the items one after the other; yield what came of each, before the next may change the same link.

    With `dry_run` nothing of it is stored. Creations are `creating.check`ed before. Raises InvalidToken where the
    account was closed.
    """
    steps = [_prepared(item) for item in items]  # hashes passwords: before the transaction begins
    savepoint = db.session.begin_nested() if dry_run else None
    yield from _Run(creating.locked(owner_id), steps).outcomes()
    if savepoint is not None:
        savepoint.rollback()


def _prepared(item: Item) -> _Step:
    try:
        match item:
            case Creation():
                domain_id = short_urls.domain_id(item.domain)
                return NewLink(domain_id, item.code, writing.prepared(item.fields))
            case Change():
                place = short_urls.place(item.code, item.domain)
                return _Change(place, writing.prepared(item.changes), item.version)
            case Removal():
                return _Removal(short_urls.place(item.code, item.domain), item.version)
    except AppError as refused:
        return refused
    return item


class _Run:
    """One pass over the steps. Nothing that a step does can fail once it has begun, so none needs a savepoint."""

    def __init__(self, owner: User, steps: Sequence[_Step]) -> None:
        self._steps = steps
        self._tags = _tags(owner, steps)
        new = [step for step in steps if isinstance(step, NewLink)]
        self._made = bulk.create(owner, new, self._tags, clock.now())
        made = {link.id for link in self._made.values()}
        named = {step.place for step in steps if isinstance(step, (_Change, _Removal))}
        held = (link for link in finding.held(owner.id, named) if link.id not in made)
        self._links = {Place(link.domain_id, link.code): link for link in held}
        """What the step at hand finds."""
        self._events: list[Event] = []
        self._changed: set[Link] = set()
        """Not flushed yet: to flush a thousand changes one by one takes longer than all else."""

    def outcomes(self) -> Iterator[Outcome]:
        for step in self._steps:
            try:
                outcome = self._do(step)
            except AppError as refused:
                outcome = refused
            yield outcome
        db.session.flush()
        trail.record_all(db.session(), self._events)

    def _do(self, step: _Step) -> Outcome:
        match step:
            case NewLink():
                return self._created(step)
            case _Change():
                link = self._own(step.place, step.version)
                return editing.change(link, step.columns, tags=self._named, record=self._record)
            case _Removal():
                self._remove(self._own(step.place, step.version), clock.now())
                return None
        return step

    def _created(self, new: NewLink) -> Link:
        link = self._made.get(new)
        if link is None:
            raise CodeTaken() if new.chosen else Unavailable("No free code was found; try again.")
        self._links[new.place] = link
        return link

    def _own(self, place: Place, version: int | None) -> Link:
        link = self._links.get(place)
        if link is None:
            raise NotFound()
        if link in self._changed:  # each change counts the version up
            db.session.flush()
            self._changed.clear()
        if version is not None and link.version != version:
            raise PreconditionFailed()
        self._changed.add(link)
        return link

    def _named(self, _owner_id: int, names: Iterable[str]) -> list[Tag]:
        return [self._tags[name] for name in sorted(set(names))]

    def _record(self, action: str, link: Link, **told: Any) -> None:
        """To be stored at the end, all in a statement."""
        self._events.append(naming.event(action, link, **told))

    def _remove(self, link: Link, now: datetime) -> None:
        link.deleted_at = link.updated_at = now
        self._record("link.deleted", link)
        del self._links[Place(link.domain_id, link.code)]


def _tags(owner: User, steps: Sequence[_Step]) -> dict[str, Tag]:
    """All tags that the steps name, by name."""
    columns = (step.columns for step in steps if isinstance(step, (NewLink, _Change)))
    names = {name for found in columns for name in found.get("tags") or ()}
    return {tag.name: tag for tag in tagging.tags(owner.id, names)}
