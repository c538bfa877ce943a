"""The raw clicks of a link, page by page; they are there as long as they are kept."""

from datetime import datetime

from sqlalchemy import select

from app import keyset
from app.clicks.models import Click
from app.extensions import db
from app.keyset import Order, Page, Position

_NEWEST_FIRST = Order((Click.at.expression, Click.id.expression), descending=True)


def page(
    link_id: int, start: datetime | None, end: datetime | None, after: Position | None, limit: int
) -> Page[Click]:
    """One page of a link's clicks from `start` to before `end`, newest first; None leaves a side open."""
    query = select(Click).where(Click.link_id == link_id)
    if start is not None:
        query = query.where(Click.at >= start)
    if end is not None:
        query = query.where(Click.at < end)
    return keyset.fetch(db.session(), query, _NEWEST_FIRST, after, limit)
