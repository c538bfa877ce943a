"""Tags: an owner's labels. A link has each at most once; they have no order but that of their text."""

from collections.abc import Iterable

from sqlalchemy import select

from app import database
from app.extensions import db
from app.links.models import Link, Tag


def names(link: Link) -> list[str]:
    """The names of a link's tags in the order of their code points, the same on every engine."""
    return sorted(tag.name for tag in link.tags)


def tags(owner_id: int, wanted: Iterable[str]) -> list[Tag]:
    """The owner's tags of these names, made where they are new. Doubles count once."""
    # Sorted: two transactions that make the same tags wait for each other in one order, so never for ever.
    distinct = sorted(set(wanted))
    if not distinct:
        return []
    insertion = database.insert_into(Tag, db.session.connection())
    new = [{"owner_id": owner_id, "name": name} for name in distinct]
    insertion = insertion.on_conflict_do_nothing(index_elements=["owner_id", "name"])
    # With RETURNING they go a thousand to a statement, without it one by one.
    db.session.execute(insertion.returning(Tag.id), new)
    return list(db.session.scalars(select(Tag).where(Tag.owner_id == owner_id, Tag.name.in_(distinct))))
