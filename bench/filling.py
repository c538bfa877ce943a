"""A database of many clicks, made by the database itself: 1,000 links (fewer of few clicks) of one account over 180
days, one of them with 5 % of all clicks. Roll-ups are whole. Of raw clicks the busy link has all, the others
together twice as many.

The clicks come evenly, day and night: that makes nearly as many rows of roll-ups as so many clicks can. Rows lie in
the order in which a worker would have written them, links mixed.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

LINKS = 1_000
CLICKS_EACH = 20
"""At least; a database of few clicks has fewer links."""
BUSY_SHARE = 0.05
DAYS = 180
END = datetime(2026, 7, 1, tzinfo=UTC)
START = END - timedelta(days=DAYS)
DISTINCT = {"referrer": 100, "country": 50, "browser": 12, "os": 8, "device": 3}
"""The most values of each dimension on one day, of the busy link and of the account; a quarter more in all."""

_QUARTERS = DAYS * 96
_EPOCH = int(START.timestamp())
_SPELLINGS = {
    "sqlite": {
        "at": f"strftime('%Y-%m-%d %H:%M:%S.000000', {_EPOCH} + ({{seconds}}), 'unixepoch')",
        "day": f"date({_EPOCH} + ({{days}}) * 86400, 'unixepoch')",
        "visitor": "x'0123456789abcdef'",
    },
    "postgresql": {
        "at": f"to_timestamp({_EPOCH} + ({{seconds}}))",
        "day": f"date '1970-01-01' + ({_EPOCH // 86_400} + ({{days}}))",
        "visitor": "'\\x0123456789abcdef'::bytea",
    },
}


def fill(connection: Connection, owner_id: int, busy: int, clicks: int) -> None:
    """Add `clicks` to the roll-ups of link `busy`, the links after it and their owner, and raw clicks beside them.

    A link has two clicks in a quarter of an hour, or more where it is busier than that.
    """
    links = range(busy, busy + min(LINKS, clicks // CLICKS_EACH))
    of_busy = int(clicks * BUSY_SHARE)
    of_other = (clicks - of_busy) // (len(links) - 1)
    spelling = _SPELLINGS[connection.dialect.name]
    statements = [_counts(spelling, links, of_busy, of_other)]
    statements += [_facets(spelling, links, dimension, of_busy, of_other) for dimension in DISTINCT]
    statements += [_raw(spelling, links, 3 * of_busy), *_account(owner_id)]
    for statement in statements:
        connection.execute(text(statement.replace(":", r"\:")))


def _counts(spelling: Mapping[str, str], links: range, of_busy: int, of_other: int) -> str:
    busy_rows, other_rows = min(_QUARTERS, of_busy // 2), min(_QUARTERS, of_other // 2)
    rows = f"CASE link.i WHEN 0 THEN {busy_rows} ELSE {other_rows} END"
    humans = f"CASE link.i WHEN 0 THEN {of_busy // busy_rows} ELSE {of_other // other_rows} END"
    return (
        "INSERT INTO click_counts (link_id, quarter, humans, bots, prefetches, uniques, last_at) "
        f"{_numbers(q=_QUARTERS, link=len(links))} "
        f"SELECT {links.start} + link.i, {spelling['at'].format(seconds='q.i * 900')}, "
        f"{humans}, 0, 0, ({humans}) / 2, "
        f"{spelling['at'].format(seconds='q.i * 900 + 899')} FROM q CROSS JOIN link "
        f"WHERE (q.i + link.i * 7) * ({rows}) % {_QUARTERS} < ({rows}) ORDER BY q.i, link.i"
    )


def _facets(spelling: Mapping[str, str], links: range, dimension: str, of_busy: int, of_other: int) -> str:
    """As many days as there are clicks, with as many values as a day's clicks bring, at most those of DISTINCT."""
    most = DISTINCT[dimension]
    busy_values, other_values = (max(1, min(most, clicks // DAYS // 6)) for clicks in (of_busy, of_other))
    days = f"CASE link.i WHEN 0 THEN {min(DAYS, of_busy)} ELSE {min(DAYS, of_other)} END"
    value = f"'{dimension}-' || ((v.i + d.i + link.i) % {most + most // 4}) || '.example.org'"
    return (
        "INSERT INTO click_facets (link_id, day, dimension, value, clicks) "
        f"{_numbers(d=DAYS, link=len(links), v=busy_values)} "
        f"SELECT {links.start} + link.i, {spelling['day'].format(days='d.i')}, '{dimension}', {value}, "
        "100 / (v.i + 2) + 1 "
        f"FROM d CROSS JOIN v CROSS JOIN link WHERE (link.i = 0 OR v.i < {other_values}) "
        f"AND (d.i + link.i) * ({days}) % {DAYS} < ({days}) ORDER BY d.i, v.i, link.i"
    )


def _raw(spelling: Mapping[str, str], links: range, clicks: int) -> str:
    at = spelling["at"].format(seconds=f"CAST(i AS BIGINT) * {DAYS * 86_400} / {clicks}")
    return (
        "INSERT INTO clicks (link_id, at, visitor, address, country, browser, os, device, bot, referrer, query) "
        f"{_numbers(n=clicks)} "
        f"SELECT CASE WHEN i % 3 = 0 THEN {links.start} ELSE {links.start + 1} + i % {len(links) - 1} END, {at}, "
        f"{spelling['visitor']}, '193.99.144.0/24', 'DE', 'Firefox', 'Linux', 'desktop', i % 10 = 0, "
        "'news.example.org', 'ref=mail' FROM n"
    )


def _account(owner_id: int) -> list[str]:
    """The sums of all links there are."""
    return [
        "INSERT INTO account_counts (owner_id, quarter, humans, bots, prefetches, uniques, last_at) "
        f"SELECT {owner_id}, quarter, sum(humans), sum(bots), sum(prefetches), sum(uniques), max(last_at) "
        "FROM click_counts GROUP BY quarter",
        "INSERT INTO account_facets (owner_id, day, dimension, value, clicks) "
        f"SELECT {owner_id}, day, dimension, value, sum(clicks) FROM click_facets GROUP BY day, dimension, value",
    ]


def _numbers(**tables: int) -> str:
    """A WITH clause of tables with one column, `i`: 0, 1, ... to as many as each is given."""
    made = [
        f"{name}(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM {name} WHERE i < {most} - 1)"
        for name, most in tables.items()
    ]
    return "WITH RECURSIVE " + ", ".join(made)
