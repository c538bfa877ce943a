"""How long statistics take at 100,000, 1 million and 10 million clicks: ``python -m bench.stats``

Each reading by the noun's call alone, and as a whole request (credential, link, JSON, headers) through the test
client, signed in; both without a cache, and the request once more with what was asked for remembered in this process.
`bench.filling` says what the database holds; the weeks that are over are summed by the worker's own chore.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from flask import Flask

from app import caching, create_app, database, keyset
from app.clicks import facets, history, periods, subjects
from app.clicks.stats import link_totals, stats
from app.clicks.summing import sum_weeks
from app.extensions import db
from app.keyset import Edge
from bench.filling import END, START, fill
from bench.measuring import percentile, timed
from config import load
from tests.conftest import Caller, environment, sign_up
from tests.making import internal_id, make_link, stored_link
from tests.service import new_database

SIZES = (100_000, 1_000_000, 10_000_000)
TIMES = 100
PAGE = 20
REMEMBERED = 8 * 1024 * 1024  # bytes
HEADER = f"  {'':<40}" + "".join(
    f"{name + ' p50':>16}{'p99 ms':>8}" for name in ("noun", "request", "remembered")
)


@dataclass(frozen=True)
class Reading:
    """One thing to read: the noun's call, and the path that does the same."""

    name: str
    noun: Callable[[], object]
    path: str


def readings(link_id: int, owner_id: int, deep: Callable[[], tuple[Edge, str]]) -> Iterator[Reading]:
    """What is measured."""
    link, account = subjects.of_link(link_id, owner_id), subjects.of_account(owner_id)
    cases = (
        ("link, 30 days by day", link, 30, {}),
        ("link, 90 days by day, Asia/Kolkata", link, 90, {"tz": "Asia/Kolkata"}),
        ("link, 90 days, compared", link, 90, {"compare": "previous"}),
        ("link, 40 days by hour", link, 40, {"interval": "hour"}),
        ("link, 90 days, top 100", link, 90, {"top": "100"}),
        ("account, 90 days by day", account, 90, {}),
        ("account, 90 days, compared", account, 90, {"compare": "previous"}),
    )
    for name, subject, days, asked in cases:
        begin = END - timedelta(days=days)
        path = "/links/busy/stats" if subject is link else "/stats"
        yield Reading(
            name, _stats(subject, begin, asked), f"{path}?{_range(begin)}&{urlencode(asked)}".rstrip("&")
        )
    quarter = periods.Period(END - timedelta(days=90), END)
    yield Reading(
        "all referrers of 90 days, exported",
        lambda: list(facets.every(link, quarter, "referrers")),
        f"/links/busy/stats/export?of=referrers&{_range(quarter.start)}",
    )
    yield Reading(
        "totals of the link, embedded",
        lambda: link_totals({link_id: owner_id}),
        "/links/busy?embed=clicks",
    )
    yield Reading("clicks, first page", lambda: _page(link_id, None), "/links/busy/clicks")
    after, cursor = deep()
    yield Reading(
        "clicks, a page in the middle", lambda: _page(link_id, after), f"/links/busy/clicks?cursor={cursor}"
    )


def measure(engine: str, clicks: int) -> Iterator[str]:
    """The table's rows for one engine and size."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stats-")))
        url = stack.enter_context(new_database(engine, folder))
        app = create_app(load(environment(url, folder)))
        caller = sign_up(app, "ada")
        make_link(caller, code="busy")
        link_id, owner_id = stored_link(app, "busy")["id"], internal_id(app, caller)
        with app.app_context():
            stack.callback(db.engine.dispose)
            began = time.perf_counter()
            with database.writing() as connection:
                fill(connection, owner_id, link_id, clicks)
            while not sum_weeks():  # as the worker does
                pass
            if engine == "postgresql":
                _vacuum()
            yield f"{engine}, {clicks:,} clicks (filled in {time.perf_counter() - began:.0f} s)"
            for reading in readings(link_id, owner_id, lambda: _middle(caller, link_id)):
                yield _row(reading, caller, app)


def _stats(subject: subjects.Subject, begin: datetime, asked: dict[str, str]) -> Callable[[], object]:
    zone = periods.zone(asked.get("tz", "UTC"))
    interval: periods.Interval = "hour" if asked.get("interval") == "hour" else "day"

    def call() -> object:
        return stats(
            subject,
            periods.period(begin, END),
            interval,
            zone,
            top=int(asked.get("top", 10)),
            compare="compare" in asked,
        )

    return call


def _page(link_id: int, edge: Edge | None) -> object:
    return keyset.fetch(db.session(), history.clicks(link_id, None, None), PAGE, edge)


def _middle(caller: Caller, link_id: int) -> tuple[Edge, str]:
    """Where the page in the middle of all clicks begins, as the noun and as a client names it."""
    middle = START + (END - START) / 2
    found = keyset.fetch(db.session(), history.clicks(link_id, None, middle), PAGE)
    to = urlencode({"to": middle.isoformat()})
    cursor = caller.get(f"/links/busy/clicks?{to}").json["page"]["next_cursor"]
    assert found.next is not None
    return found.next, f"{cursor}&{to}"


def _range(begin: datetime) -> str:
    return urlencode({"from": begin.isoformat(), "to": END.isoformat()})


def _vacuum() -> None:
    """What autovacuum does on PostgreSQL by itself, a minute later."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def _row(reading: Reading, caller: Caller, app: Flask) -> str:
    def noun() -> None:
        database.make_read_only(db.session())
        reading.noun()
        db.session.remove()

    def request() -> None:
        answer = caller.get(reading.path)
        assert answer.status_code == 200, answer.text

    row = f"  {reading.name:<40}"
    for call, kept in ((noun, 0), (request, 0), (request, REMEMBERED)):
        app.config["CACHE_BYTES"] = kept
        caching.init_app(app)
        timed(call, 5)  # caches warm
        seconds = timed(call, TIMES)
        row += f"{percentile(seconds, 0.5) * 1000:>16.1f}{percentile(seconds, 0.99) * 1000:>8.1f}"
    return row


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.stats", description=__doc__)
    parser.add_argument("--clicks", type=int, help="one size instead of three")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="one engine instead of both")
    options = parser.parse_args()
    sys.stdout.write(f"{HEADER}\n")
    for engine in [options.database] if options.database else ["sqlite", "postgresql"]:
        for clicks in [options.clicks] if options.clicks else SIZES:
            for line in measure(engine, clicks):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
