"""How many clicks a second the worker stores with all their roll-ups: ``python -m bench.ingest``

A spool of lines as web processes leave them is read by the real `Ingester` in this process, with nothing else at
work. "held" is how long each batch keeps SQLite's other writers waiting: from the moment its transaction has the
lock to the end of its commit. What is worked out while PostgreSQL stores is no part of "transaction".
"""

import argparse
import gc
import itertools
import os
import random
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from sqlalchemy import Connection, func, insert, select

from app import create_app, database
from app.accounts.models import User
from app.clicks import ingest
from app.clicks.agents import agent_facts
from app.clicks.countries import countries
from app.clicks.ingest import Ingester
from app.clicks.line import ClickLine, encode
from app.clicks.models import ClickCount, ClickFacet, DailyVisitor
from app.extensions import db
from app.links.models import Link
from bench import table
from bench.measuring import percentile
from bench.table import Line
from config import load
from tests.conftest import environment
from tests.service import new_database

BAR = 50_000  # lines a second, on two cores of 2026
FILES = 4
OWNERS = 5
SPAN = 3600 * 1000  # ms: the lines are an hour's, in the order of time
NETWORKS = 60_000
PEOPLE = 300_000
HOSTS = 2_000
SETTLED = 2.5  # seconds: a writers' queue that was just made looks as if somebody had just waited in it
DIRECT, REPEATED, TAGGED = 0.8, 0.3, 0.15
BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 "
    "Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{}.5 "
    "Mobile/15E148 Safari/604.1",
)
BOTS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
)
_MEANWHILE = "worked out in a transaction"
AGENTS = [browser.format(120 + number) for browser in BROWSERS for number in range(10)]


def clicks(lines: int, links: int, even: bool) -> Iterator[bytes]:
    """So many clicks; the second link has half as many as the first, the third a third (Zipf), unless `even`."""
    chance, start = random.Random(1), time.time_ns() // 1_000_000 - SPAN
    weights = list(itertools.accumulate(1.0 if even else 1 / place for place in range(1, links + 1)))
    networks = [
        f"{chance.randrange(1, 223)}.{chance.randrange(256)}.{chance.randrange(256)}.0/24"
        for _ in range(NETWORKS)
    ]
    hosts = list(itertools.accumulate(1 / place for place in range(1, HOSTS + 1)))
    recent: list[tuple[int, int]] = []
    for number in range(lines):
        person = chance.randrange(PEOPLE)
        link = chance.choices(range(1, links + 1), cum_weights=weights)[0]
        if recent and chance.random() < REPEATED:
            link, person = chance.choice(recent)
        if len(recent) < 10_000:
            recent.append((link, person))
        else:
            recent[number % 10_000] = link, person
        agent = AGENTS[person % len(AGENTS)] if chance.random() > 0.05 else chance.choice(BOTS)
        referrer = ""
        if chance.random() > DIRECT:
            referrer = f"https://www.site{chance.choices(range(HOSTS), cum_weights=hosts)[0]}.example.org/"
        query = f"utm_source=letter&utm_id={number}" if chance.random() < TAGGED else ""
        yield encode(
            ClickLine(
                time=start + number * SPAN // lines,
                link_id=link,
                kind="click",
                visitor=f"{person * 0x9E3779B97F4A7C15 % 2**64:016x}",
                address=networks[person % NETWORKS],
                user_agent=agent,
                referrer=referrer,
                query=query,
            )
        )


def fill(spool: Path, lines: Iterator[bytes], each: int) -> None:
    """Write the lines into files of writers that have ended."""
    spool.mkdir(parents=True, exist_ok=True)
    for _ in range(FILES):
        with (spool / f"{time.time_ns()}-{secrets.token_hex(16)}.spool").open("wb") as file:
            file.writelines(itertools.islice(lines, each))


def make_links(links: int) -> None:
    """Links 1 to `links`, of a few owners in turn."""
    now = datetime.now(UTC)
    times = {"created_at": now, "updated_at": now}
    users = [{"id": i, "public_id": f"usr_{i}", **times} for i in range(1, OWNERS + 1)]
    rows = [
        {"code": f"c{i}", "owner_id": i % OWNERS + 1, "url": "https://example.org/", **times}
        for i in range(1, links + 1)
    ]
    with database.writing() as connection:
        connection.execute(insert(User), users)
        connection.execute(insert(Link), rows)


class Stopwatch:
    """Adds up the seconds of calls, and keeps how long each transaction was held."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.held: list[float] = []
        self.cpu = 0.0

    def on(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

        return timed

    def holding(self, writing: Callable[[], Any]) -> Callable[[], Any]:
        @contextmanager
        def timed() -> Iterator[Connection]:
            with ExitStack() as stack:
                connection = stack.enter_context(writing())
                began = time.perf_counter()
                yield connection
                stack.close()
            self.held.append(time.perf_counter() - began)

        return timed


def drain(spool: Path) -> tuple[float, Stopwatch]:
    """Ingest all of the spool; return the seconds it took, and where they went."""
    watch = Stopwatch()
    with ExitStack() as stack:
        for name, label in (("batch_of", "decode and work out"), ("read_piece", "read the spool")):
            stack.enter_context(patch.object(ingest, name, watch.on(label, getattr(ingest, name))))
        stack.enter_context(patch.object(database, "writing", watch.holding(database.writing)))
        ingester = stack.enter_context(Ingester(spool, countries()))
        for part, name, label in (
            (ingester._accounting, "enter", "roll up"),
            (ingester._checkpoints, "catch_up", "checkpoints"),
            (ingester, "_look_ahead", _MEANWHILE),
        ):
            stack.enter_context(patch.object(part, name, watch.on(label, getattr(part, name))))
        agent_facts("")  # builds its tables
        gc.freeze()  # as wsgi.py does
        began, cpu = time.perf_counter(), time.process_time()
        while sum(ingester.step()):
            pass
        seconds = time.perf_counter() - began
        watch.cpu = time.process_time() - cpu
    watch.seconds["transaction"] = sum(watch.held) - watch.seconds.pop(_MEANWHILE, 0.0)
    return seconds, watch


class Row(NamedTuple):
    """How links share the clicks."""

    engine: str
    links: int
    even: bool

    def __str__(self) -> str:
        return f"{self.engine}, {self.links:,} links, {'all alike' if self.even else 'some far busier'}"


class Figures(NamedTuple):
    """What one round of a row found: lines a second, seconds of a batch, and of CPU for each line."""

    rate: float
    p50: float
    p99: float
    cpu: float


def measure(row: Row, lines: int) -> tuple[Figures, str]:
    """One round of a row: its figures, and where the time went."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ingest-")))
        url = stack.enter_context(new_database(row.engine, folder))
        app = create_app(load(environment(url, folder)))
        stack.enter_context(app.app_context())
        stack.callback(db.engine.dispose)
        make_links(row.links)
        fill(app.config["SPOOL_DIR"], clicks(lines, row.links, row.even), lines // FILES)
        time.sleep(SETTLED)
        seconds, watch = drain(app.config["SPOOL_DIR"])
        with database.reading() as connection:
            humans, uniques = connection.execute(
                select(func.sum(ClickCount.humans), func.sum(ClickCount.uniques))
            ).one()
            facets, visitors = (
                connection.scalar(select(func.count()).select_from(model))
                for model in (ClickFacet, DailyVisitor)
            )
        assert uniques == visitors
    parts = ", ".join(f"{name} {1e6 * spent / lines:.1f}" for name, spent in watch.seconds.items())
    rest = 1e6 * (seconds - sum(watch.seconds.values())) / lines
    p50, p99, most = (percentile(watch.held, share) for share in (0.5, 0.99, 1.0))
    return Figures(lines / seconds, p50, p99, watch.cpu / lines), (
        f"{row}: {lines / seconds:,.0f} lines/s\n"
        f"  held for {1e3 * p50:.1f} ms, p99 {1e3 * p99:.1f}, at most {1e3 * most:.1f}, {len(watch.held):,} batches\n"
        f"  us a line: {parts}, rest {rest:.1f}; {1e6 * watch.cpu / lines:.1f} of it CPU of this process\n"
        f"  {humans:,} humans, {uniques:,} uniques, {facets:,} facets of links\n"
    )


def line(row: Row, rounds: Sequence[Figures]) -> Line:
    """Medians of the rounds."""
    middle = Figures(*map(statistics.median, zip(*rounds, strict=True)))
    return Line(
        f"ingest, {row}: lines a second, and how long a batch holds",
        table.ratios([middle.rate], BAR),
        f"{BAR:,} a second",
        rate=f"{middle.rate:,.0f}",
        p50=table.milliseconds(middle.p50),
        p99=table.milliseconds(middle.p99),
        cpu=table.microseconds(middle.cpu),
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    options = parser.parse_args()
    engines = options.database or ["sqlite", "postgresql"]
    rows = [Row(engine, *how) for engine in engines for how in ((200, False), (200, True), (100_000, True))]
    found: dict[Row, list[Figures]] = {row: [] for row in rows}
    for _ in range(options.rounds):
        for row in rows:
            figures, told = measure(row, options.lines)
            found[row].append(figures)
            sys.stdout.write(told)
            sys.stdout.flush()
    measured = [line(row, rounds) for row, rounds in found.items()]
    sys.stdout.write("\n".join(table.markdown(measured)) + "\n")
    for one in measured:
        table.tell(one)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    sys.exit(main())
