"""What a page of a list costs at its beginning and far inside: ``python -m bench.pages``

A million links of one account, a third of them without a title and the others with few different ones, made in bursts
of ten a second. The pages hold ten links; page 10,000 is reached by cursor, from before it and from behind it, as a
client does, and by OFFSET for the contrast.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    String,
    case,
    cast,
    func,
    insert,
    literal,
    null,
    select,
)
from werkzeug.test import TestResponse

from app import create_app, database, keyset
from app.accounts.principals import Principal
from app.extensions import db
from app.keyset import Edge, Listing
from app.links import listing
from app.links.listing import Filters
from app.links.models import Link
from bench import table
from bench.measuring import percentile, timed
from bench.seeding import code_of
from bench.table import Line
from config import load
from tests.conftest import Caller, environment, sign_up
from tests.making import internal_id, set_role
from tests.service import new_database

LINKS = 1_000_000
SIZE = 10
DEEP = 10_000  # a page's number
SORTS = ("-created_at", "code", "title", "-created_at,code")
_COLUMNS = (
    "page 1",
    "page 2",
    "10,000",
    "back",
    "ratio",
    "OFFSET",
    "ratio",
    "req. 1",
    "10,001",
    "ratio",
    "total",
)
HEADER = f"  {'sort':<18}" + "".join(f"{name:>9}" for name in _COLUMNS)
_START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())


@dataclass(frozen=True)
class Bench:
    """Somebody with many links."""

    app: Flask
    caller: Caller
    owner_id: int
    times: int

    def row(self, engine: str, sort: str) -> str:
        """Medians in milliseconds: of the noun's call on each page, and of whole requests."""
        found = self._listing(sort)
        inside = (DEEP - 1) * SIZE
        edges = [
            None,
            self._edge(found, SIZE),
            self._edge(found, inside),
            self._edge(found, DEEP * SIZE, backward=True),
        ]
        path = f"/links?sort={sort}&limit={SIZE}"
        # By 100 a page, the last page with a number ends where page 10,000 of 10 does.
        cursor = self._get(f"/links?sort={sort}&limit=100&page={DEEP * SIZE // 100}").json["page"][
            "next_cursor"
        ]
        calls = [
            *(self._noun(found, edge) for edge in edges),
            self._noun(found, skip=inside),
            lambda: self._get(path),
            lambda: self._get(f"{path}&cursor={cursor}"),
        ]
        *nouns, offset, request, deep_request = self._medians(calls)
        figures = (
            *nouns,
            nouns[2] / nouns[0],
            offset,
            offset / nouns[0],
            request,
            deep_request,
            deep_request / request,
        )
        table.tell(
            Line(
                f"page of links, {engine}, sort={sort}: pages 1 · 2 · 10,000 by cursor, then by OFFSET",
                table.ratios([*nouns[:3], offset], nouns[0]),
                "page 1",
                p50=table.milliseconds(*(figure / 1000 for figure in (*nouns[:3], offset))),
            )
        )
        counted = timed(lambda: keyset.total(db.session(), found), 1)[0] * 1000
        db.session.remove()
        return f"  {sort:<18}" + "".join(f"{figure:>9.1f}" for figure in (*figures, counted))

    def _medians(self, calls: Sequence[Callable[[], object]]) -> list[float]:
        """The calls take turns, so that a busy second of the machine hits all of them; the first three warm."""
        rounds = [[timed(call, 1)[0] for call in calls] for _ in range(3 + self.times)]
        return [percentile(seconds, 0.5) * 1000 for seconds in zip(*rounds[3:], strict=True)]

    def _listing(self, sort: str) -> Listing[Link]:
        principal = Principal(self.owner_id, self.caller.id, "admin", "")
        return listing.links(principal, Filters(), sort.split(","))

    def _edge(self, found: Listing[Link], rows: int, *, backward: bool = False) -> Edge:
        """Where the page begins that is so many rows inside, or ends."""
        page = keyset.fetch(db.session(), found, 1, skip=rows if backward else rows - 1)
        edge = page.prev if backward else page.next
        db.session.remove()
        assert edge is not None
        return edge

    def _noun(self, found: Listing[Link], edge: Edge | None = None, skip: int = 0) -> Callable[[], None]:
        def call() -> None:
            database.make_read_only(db.session())
            keyset.fetch(db.session(), found, SIZE, edge, skip)
            db.session.remove()

        return call

    def _get(self, path: str) -> TestResponse:
        answer = self.caller.get(path)
        assert answer.status_code == 200, answer.text
        return answer


def measure(engine: str, links: int, times: int) -> Iterator[str]:
    """The table's rows for one engine."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pages-")))
        url = stack.enter_context(new_database(engine, folder))
        app = create_app(load(environment(url, folder)))
        caller = sign_up(app, "ada")
        set_role(app, caller, "admin")
        owner_id = internal_id(app, caller)
        with app.app_context():
            stack.callback(db.engine.dispose)
            began = time.perf_counter()
            with database.writing() as connection:
                fill(connection, owner_id, links)
            _settle(engine)
            yield f"{engine}, {links:,} links (filled in {time.perf_counter() - began:.0f} s)"
            bench = Bench(app, caller, owner_id, times)
            yield from (bench.row(engine, sort) for sort in SORTS)


def fill(connection: Connection, owner_id: int, links: int) -> None:
    """Add so many links."""
    number = select(cast(literal(1), BigInteger).label("i")).cte("number", recursive=True)
    number = number.union_all(select(number.c.i + 1).where(number.c.i < links))
    i = number.c.i
    title = case((i % 3 == 0, null()), else_=literal("Title ", String) + cast(i * 7_919 % 5_000, String))
    created, updated = (_time(connection, _START + seconds) for seconds in (i // 10, i * 104_729 % links))
    target = literal("https://example.org/articles/", String) + cast(i, String)
    rows = select(code_of(i), target, title, literal(owner_id), created, updated)
    names = ["code", "url", "title", "owner_id", "created_at", "updated_at"]
    connection.execute(insert(Link).from_select(names, rows))


def _time(connection: Connection, seconds: ColumnElement[int]) -> ColumnElement[datetime]:
    if connection.dialect.name == "postgresql":
        return func.to_timestamp(seconds)
    return func.strftime("%Y-%m-%d %H:%M:%S.000000", seconds, "unixepoch", type_=String)


def _settle(engine: str) -> None:
    """What autovacuum does on PostgreSQL by itself, a minute later."""
    if engine == "postgresql":
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--links", type=int, default=LINKS)
    parser.add_argument("--times", type=int, default=30, help="readings of each page")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="one engine instead of both")
    options = parser.parse_args()
    sys.stdout.write(f"medians in milliseconds\n{HEADER}\n")
    for engine in [options.database] if options.database else ["sqlite", "postgresql"]:
        for line in measure(engine, options.links, options.times):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
