"""Lists of links: sorted, filtered, page by page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_

from app import clock, keyset
from app.accounts.models import User
from app.accounts.principals import Principal
from app.errors import Forbidden
from app.extensions import db
from app.keyset import Order, Page, Position, by_code_point
from app.links import finding, removing, short_urls, states
from app.links.models import Link, Tag
from app.links.states import State

EVERYBODY = "all"

_KEYS: dict[str, ColumnElement[Any]] = {
    "created_at": Link.created_at.expression,
    "updated_at": Link.updated_at.expression,
    "code": by_code_point(Link.code.expression),
    "title": by_code_point(func.coalesce(Link.title, "")),
}
# What makes an order total. Not `Link.id`: it would stand in cursors, for everybody to count our links by.
_TIE = (by_code_point(Link.code.expression), Link.domain_id.expression)

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


def page(principal: Principal, filters: Filters, sort: str, after: Position | None, limit: int) -> Page[Link]:
    """One page of the caller's links, or of those that `filters.owner` names to a manager.

    `sort` is one of SORTS. Raises Forbidden for others' links, ValidationFailed for an unknown domain.
    """
    query = finding.shown().where(_owned(principal, filters.owner), *_conditions(filters, clock.now()))
    return keyset.fetch(db.session(), query, order(sort), after, limit)


def order(sort: str) -> Order:
    """The order that one of SORTS names; a link without a title sorts as if it were empty."""
    key = sort.removeprefix("-")
    columns = _TIE if key == "code" else (_KEYS[key], *_TIE)
    return Order(columns, descending=sort.startswith("-"))


def _owned(principal: Principal, owner: str | None) -> ColumnElement[bool]:
    if owner is None or owner == principal.user:
        return Link.owner_id == principal.user_id
    if principal.role not in ("manager", "admin"):
        raise Forbidden("Only managers list the links of others.", field="owner")
    return Link.id.is_not(None) if owner == EVERYBODY else Link.owner.has(User.public_id == owner)


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
