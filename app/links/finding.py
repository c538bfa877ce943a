"""Reading one link. Somebody else's is not there, but for managers, and neither is a deleted one."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from app import database
from app.accounts.principals import Principal
from app.errors import NotFound
from app.extensions import db
from app.links import codes
from app.links.models import Link
from app.links.short_urls import Place


def shown(*, with_tags: bool = True) -> Select[Link]:
    """Links with what their representation needs, in two statements however many they are."""
    return select(Link).options(*representation(with_tags=with_tags))


def representation(*, with_tags: bool = True) -> list[ORMOption]:
    """What of a link's surroundings is loaded with it to be shown; the tags take a statement of their own."""
    joined = [joinedload(Link.owner, innerjoin=True), joinedload(Link.domain, innerjoin=True)]
    return [*joined, selectinload(Link.tags)] if with_tags else [*joined]


def readable(principal: Principal, place: Place, *, with_tags: bool = True) -> Link:
    """The live link there: one's own, to a manager anybody's. Raises NotFound."""
    return own(None if principal.moderates else principal.user_id, place, with_tags=with_tags)


def own(owner_id: int | None, place: Place, *, with_tags: bool = True) -> Link:
    """The owner's live link; None: whoever that is. Raises NotFound."""
    link = own_or_none(owner_id, place, with_tags=with_tags)
    if link is None:
        raise NotFound()
    return link


def own_or_none(owner_id: int | None, place: Place, *, with_tags: bool = True) -> Link | None:
    if not is_code(place.code):
        return None
    return db.session.scalar(shown(with_tags=with_tags).where(_live_at(owner_id, place)))


def held(owner_id: int, places: Iterable[Place]) -> list[Link]:
    """Those of the owner's live links that are at these places, held until the transaction ends.

    In one order whoever asks, so that two who hold several never wait for each other for ever.
    """
    codes_on: dict[int, list[str]] = {}
    for place in places:
        if is_code(place.code):
            codes_on.setdefault(place.domain_id, []).append(place.code)
    found: list[Link] = []
    for domain_id, on_domain in sorted(codes_on.items()):
        one_domain = (Link.domain_id == domain_id) & Link.code.in_(on_domain)
        wanted = shown().where(one_domain, Link.owner_id == owner_id, Link.deleted_at.is_(None))
        found += db.session.scalars(wanted.order_by(Link.id).with_for_update(of=Link))
    return found


def exists(owner_id: int, place: Place) -> bool:
    """Whether the owner has a live link there. Begins no write transaction."""
    if not is_code(place.code):
        return False
    with database.reading() as connection:
        return connection.scalar(select(Link.id).where(_live_at(owner_id, place))) is not None


def is_code(text: str) -> bool:
    """Whether a link could have this code. What cannot is not asked for: PostgreSQL would not compare a NUL."""
    try:
        codes.checked(text, frozenset())
    except codes.InvalidCode:
        return False
    return True


def at(owner_id: int | None, place: Place) -> ColumnElement[bool]:
    """The condition for the owner's link at a place, deleted or not; None: whoever that is."""
    there = (Link.domain_id == place.domain_id) & (Link.code == place.code)
    return there if owner_id is None else there & (Link.owner_id == owner_id)


def _live_at(owner_id: int | None, place: Place) -> ColumnElement[bool]:
    return at(owner_id, place) & Link.deleted_at.is_(None)
