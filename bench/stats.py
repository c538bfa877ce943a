"""How long statistics take at 1,000, 100,000, 1 million and 10 million clicks: ``python -m bench.stats``

Each reading by the noun's call alone, and as a whole request (credential, link, JSON, headers) through the test
client, signed in; both without a cache, and the request once more with what was asked for remembered in this process.
`bench.filling` says what the database holds; the weeks that are over are summed by the worker's own chore.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from flask import Flask

from app import caching, create_app, database, keyset
from app.clicks import facets, history, periods, subjects
from app.clicks.stats import link_totals, stats
from app.clicks.summing import sum_weeks
from app.extensions import db
from app.keyset import Edge
from bench import table
from bench.filling import END, START, fill
from bench.measuring import percentile, timed
from bench.table import Line
from config import load
from tests.conftest import Caller, environment, sign_up
from tests.making import internal_id, make_link, stored_link
from tests.service import new_database

SIZES = (1_000, 100_000, 1_000_000, 10_000_000)
ROUNDS, TIMES = 5, 20
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


class Found(NamedTuple):
    """Seconds of the noun's call, of the whole request, and of the request when its answer was remembered."""

    noun: list[float]
    request: list[float]
    remembered: list[float]


def measure(engine: str, clicks: int) -> Iterator[tuple[str, Found]]:
    """What each reading took, on one engine and at one size."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stats-")))
        url = stack.enter_context(new_database(engine, folder))
        app = create_app(load(environment(url, folder)))
        caller = sign_up(app, "ada")
        make_link(caller, code="busy")
        link_id, owner_id = stored_link(app, "busy")["id"], internal_id(app, caller)
        with app.app_context():
            stack.callback(db.engine.dispose)
            with database.writing() as connection:
                fill(connection, owner_id, link_id, clicks)
            while not sum_weeks():  # as the worker does
                pass
            if engine == "postgresql":
                _vacuum()
            wanted = list(readings(link_id, owner_id, lambda: _middle(caller, link_id)))
            found = {reading.name: Found([], [], []) for reading in wanted}
            for _ in range(ROUNDS):
                for reading in wanted:
                    _take(reading, caller, app, found[reading.name])
            yield from found.items()


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


def _take(reading: Reading, caller: Caller, app: Flask, found: Found) -> None:
    """A round of one reading."""

    def noun() -> None:
        database.make_read_only(db.session())
        reading.noun()
        db.session.remove()

    def request() -> None:
        answer = caller.get(reading.path)
        assert answer.status_code == 200, answer.text

    for call, kept, seconds in (
        (noun, 0, found.noun),
        (request, 0, found.request),
        (request, REMEMBERED, found.remembered),
    ):
        app.config["CACHE_BYTES"] = kept
        caching.init_app(app)
        timed(call, 3)  # caches warm
        seconds.extend(timed(call, TIMES))


def _row(name: str, found: Found) -> str:
    return f"  {name:<40}" + "".join(
        f"{percentile(seconds, 0.5) * 1000:>16.1f}{percentile(seconds, 0.99) * 1000:>8.1f}"
        for seconds in found
    )


def slope(engine: str, name: str, by_size: Mapping[int, Found]) -> Line:
    """What the noun's call took at each size."""
    nouns = [found.noun for found in by_size.values()]
    medians = [percentile(seconds, 0.5) for seconds in nouns]
    return Line(
        f"statistics, {engine}, {table.powers(by_size)} clicks: {name}",
        table.ratios(medians, medians[0]),
        "p50 at the first size",
        p50=table.milliseconds(*medians),
        p99=table.milliseconds(*(percentile(seconds, 0.99) for seconds in nouns)),
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.stats", description=__doc__)
    parser.add_argument("--clicks", type=int, help="one size instead of four")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="one engine instead of both")
    options = parser.parse_args()
    sys.stdout.write(f"{HEADER}\n")
    for engine in [options.database] if options.database else ["sqlite", "postgresql"]:
        taken: dict[str, dict[int, Found]] = {}
        for clicks in [options.clicks] if options.clicks else SIZES:
            sys.stdout.write(f"{engine}, {clicks:,} clicks\n")
            for name, found in measure(engine, clicks):
                sys.stdout.write(f"{_row(name, found)}\n")
                sys.stdout.flush()
                taken.setdefault(name, {})[clicks] = found
        for name, by_size in taken.items():
            table.tell(slope(engine, name, by_size))
    return 0


if __name__ == "__main__":
    sys.exit(main())
