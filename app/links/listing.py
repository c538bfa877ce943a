"""Lists of links: sorted, filtered, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, literal_column, or_, select

from app import clock
from app.accounts.models import User
from app.accounts.principals import Principal
from app.accounts.second_factor import SecondFactorRequired
from app.errors import Forbidden
from app.keyset import Key, Listing, Order, by_code_point
from app.links import finding, removing, short_urls, states
from app.links.models import Link, Tag
from app.links.states import State

EVERYBODY = "all"

_KEYS: dict[str, ColumnElement[Any]] = {
    "created_at": Link.created_at.expression,
    "updated_at": Link.updated_at.expression,
    "code": by_code_point(Link.code.expression),
    # No parameter: the expression must be the index's own.
    "title": by_code_point(func.coalesce(Link.title, literal_column("''"))),
}

SORTS = tuple(sign + key for key in _KEYS for sign in ("", "-"))


@dataclass(frozen=True)
class Filters:
    """What a list is narrowed to; None leaves a thing open.

    `q` is a part of code, title or URL, in any case; `domain` a host; the period of creation includes its
    beginning, not its end; `owner` a user's public id, or `all`.
    """

    q: str | None = None
    tag: str | None = None
    status: State | None = None
    domain: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    owner: str | None = None


def links(
    principal: Principal, filters: Filters, sort: Sequence[str], *, with_tags: bool = True
) -> Listing[Link]:
    """The caller's links, or those that `filters.owner` names to a manager.

    `sort` holds some of SORTS, of which the first counts most. Raises Forbidden for others' links, ValidationFailed
    for an unknown domain.
    """
    conditions = [*_owned(principal, filters.owner), *_conditions(filters, clock.now())]
    return Listing(Link, conditions, order(sort), finding.representation(with_tags=with_tags))


def order(sort: Sequence[str]) -> Order:
    """The order that some of SORTS name; a link without a title sorts as if it were empty.

    Equal ones stand in the order in which they were made, in the direction of the last of `sort`.
    """
    keys = [Key(_KEYS[name.removeprefix("-")], name.startswith("-")) for name in sort]
    return (*keys, Key(Link.id.expression, keys[-1].descending))


def _owned(principal: Principal, owner: str | None) -> list[ColumnElement[bool]]:
    if owner is None or owner == principal.user:
        return [Link.owner_id == principal.user_id]
    if not principal.moderates:
        if principal.is_withheld:
            raise SecondFactorRequired()
        raise Forbidden("Only managers list the links of others.", field="owner")
    # By the id, not by a join: the indexes of an owner's links begin with it.
    named = select(User.id).where(User.public_id == owner).scalar_subquery()
    return [] if owner == EVERYBODY else [Link.owner_id == named]


def _conditions(filters: Filters, now: datetime) -> list[ColumnElement[bool]]:
    conditions = [_visible(filters.status, now)]
    if filters.q is not None:
        places = (Link.code, Link.title, Link.url)
        conditions.append(or_(*(place.icontains(filters.q, autoescape=True) for place in places)))
    if filters.tag is not None:
        conditions.append(Link.tags.any(Tag.name == filters.tag))
    if filters.domain is not None:
        conditions.append(Link.domain_id == short_urls.domain_id(filters.domain))
    if filters.created_from is not None:
        conditions.append(Link.created_at >= filters.created_from)
    if filters.created_to is not None:
        conditions.append(Link.created_at < filters.created_to)
    return conditions


def _visible(status: State | None, now: datetime) -> ColumnElement[bool]:
    """Deleted links are in no list but that of what can be restored, blocked ones among them."""
    if status is State.DELETED:
        return removing.restorable(now)
    live = Link.deleted_at.is_(None)
    return live if status is None else live & states.has_state(status, now)
