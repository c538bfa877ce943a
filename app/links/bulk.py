"""New links by the thousand: what `creating` does for one, in a few statements for all.

Whoever stores several links takes tags first, then new codes, then rows that are there, each in one order: two who
do that at once wait for each other, never for ever (PostgreSQL ends a circle of waiting with an error).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm.attributes import set_committed_value

from app import database
from app.accounts.models import User
from app.audit import trail
from app.extensions import db
from app.links import codes, creating, naming, short_urls
from app.links.models import Domain, Link, Tag, link_tags
from app.links.short_urls import Place

_BLANK: dict[str, Any] = {
    column.key: column.default.arg if column.default is not None else None
    for column in Link.__table__.columns
    if column.key != "id"
}


class NewLink:
    """A link to be: its place, without a code until one is drawn where none was chosen, and its columns."""

    def __init__(self, domain_id: int, code: str | None, columns: Mapping[str, Any]) -> None:
        self.domain_id = domain_id
        self.code = code
        self.columns = columns
        self.chosen = code is not None

    @property
    def place(self) -> Place:
        return Place(self.domain_id, self.code or "")


def create(
    owner: User, wanted: Sequence[NewLink], tags: Mapping[str, Tag], now: datetime
) -> dict[NewLink, Link]:
    """Store those whose place is free, whichever they are; of two at one place the first.

    `wanted` are prepared and checked; `tags` are those that they name. A list by time shows them in their order.
    """
    made: dict[NewLink, Link] = {}
    times = {new: now + timedelta(microseconds=number) for number, new in enumerate(wanted)}
    missing = list(wanted)
    for length in range(codes.LENGTH, codes.LENGTH + creating.TRIES):
        claims = _claims(missing, length)
        links = _insert(owner, claims.values(), times)
        made |= {new: links[place] for place, new in claims.items() if place in links}
        missing = [new for new in missing if new not in made and not new.chosen]
        if not missing:
            break
    _complete(owner, made, tags)
    return made


def _claims(wanted: Iterable[NewLink], length: int) -> dict[Place, NewLink]:
    """Who is first at each place, in the order of places; draws the codes that nobody chose, and lets them yield."""
    reserved = short_urls.reserved_codes()
    claims: dict[Place, NewLink] = {}
    for new in sorted(wanted, key=lambda new: not new.chosen):
        if not new.chosen:
            new.code = codes.generate(reserved, length)
        claims.setdefault(new.place, new)
    return dict(sorted(claims.items(), key=lambda claim: (claim[0].domain_id, claim[0].code)))


def _insert(owner: User, claims: Iterable[NewLink], times: Mapping[NewLink, datetime]) -> dict[Place, Link]:
    rows = [_row(owner, new, times[new]) for new in claims]
    if not rows:
        return {}
    insertion = database.insert_into(Link, db.session.connection())
    insertion = insertion.on_conflict_do_nothing(index_elements=["domain_id", "code"])
    links = db.session.scalars(insertion.returning(Link), rows)
    return {Place(link.domain_id, link.code): link for link in links}


def _row(owner: User, new: NewLink, now: datetime) -> dict[str, Any]:
    columns = {name: value for name, value in new.columns.items() if name != "tags"}
    place = {"owner_id": owner.id, "domain_id": new.domain_id, "code": new.code}
    return {**_BLANK, **columns, **place, "created_at": now, "updated_at": now}


def _complete(owner: User, made: Mapping[NewLink, Link], tags: Mapping[str, Tag]) -> None:
    """Give the links their tags, and what is known of them without asking."""
    domains = {domain_id: db.session.get(Domain, domain_id) for domain_id in {new.domain_id for new in made}}
    pairs = []
    for new, link in made.items():
        own = [tags[name] for name in sorted(set(new.columns.get("tags") or ()))]
        pairs += [{"link_id": link.id, "tag_id": tag.id} for tag in own]
        set_committed_value(link, "owner", owner)
        set_committed_value(link, "domain", domains[new.domain_id])
        set_committed_value(link, "tags", own)
    if pairs:
        db.session.execute(insert(link_tags), pairs)
    trail.record_all(db.session(), (naming.event("link.created", link) for link in made.values()))
