"""Lines with visitors, the owners of their links, and the roll-ups that become of them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from app import database
from app.accounts.models import User
from app.clicks.line import ClickLine, Kind, encode
from app.clicks.models import ClickCount
from app.links.models import Link
from tests.integration.clicks.conftest import AT, FIREFOX

OWNERS = {1: 10, 2: 10, 3: 11}
"""Of links; 4 has none."""
DIMENSIONS = ("referrer", "country", "browser", "os", "device")
Table = dict[tuple[Any, ...], tuple[Any, ...]]


def line(
    visitor: int | None = 1,
    *,
    link_id: int = 1,
    at: datetime = AT,
    kind: Kind = "click",
    user_agent: str = FIREFOX,
    referrer: str = "",
    address: str = "193.99.144.0/24",
) -> bytes:
    """A spool line; a private one without a visitor."""
    time = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    if visitor is None:
        return encode(ClickLine(time, link_id, kind, "", "", user_agent, "", ""))
    return encode(ClickLine(time, link_id, kind, f"{visitor:016x}", address, user_agent, referrer, ""))


def table(model: Any, *ignored: str) -> Table:
    """The rows of a roll-up by their keys."""
    keys = [column.name for column in model.__table__.primary_key]
    values = [column.name for column in model.__table__.columns if column.name not in {*keys, *ignored}]
    with database.reading() as connection:
        rows = connection.execute(select(model.__table__)).mappings().all()
    return {tuple(row[key] for key in keys): tuple(row[value] for value in values) for row in rows}


def uniques() -> Counter[tuple[int, datetime]]:
    return Counter({key: row[3] for key, row in table(ClickCount).items() if row[3]})


def own_links() -> None:
    """Make links 1 to 3 and their owners."""
    times = {"created_at": AT, "updated_at": AT}
    with database.writing() as connection:
        connection.execute(
            insert(User), [{"id": i, "public_id": f"usr_{i}", **times} for i in sorted({*OWNERS.values()})]
        )
        rows = [
            {"id": i, "code": f"c{i}", "owner_id": o, "url": "http://x/", **times} for i, o in OWNERS.items()
        ]
        connection.execute(insert(Link), rows)
