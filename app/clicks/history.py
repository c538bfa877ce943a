"""The raw clicks of a link, page by page; they are there as long as they are kept."""

from datetime import datetime

from app.clicks.models import Click
from app.keyset import Key, Listing

_NEWEST_FIRST = (
    Key(Click.at.expression, descending=True),
    Key(Click.id.expression, descending=True),
)


def clicks(link_id: int, start: datetime | None, end: datetime | None) -> Listing[Click]:
    """A link's clicks from `start` to before `end`, newest first; None leaves a side open."""
    conditions = [Click.link_id == link_id]
    if start is not None:
        conditions.append(Click.at >= start)
    if end is not None:
        conditions.append(Click.at < end)
    return Listing(Click, conditions, _NEWEST_FIRST)
