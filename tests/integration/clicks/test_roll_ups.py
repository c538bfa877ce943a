"""The roll-ups of links and accounts are what the rows add up to, in whatever order and pieces the lines come."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app import database
from app.clicks import pace
from app.clicks.accounting import Accounting
from app.clicks.batch import batch_of
from app.clicks.countries import countries
from app.clicks.ingest import Ingester
from app.clicks.models import AccountCount, AccountFacet, Click, ClickCount, ClickFacet, DailyVisitor
from app.clicks.store import Position
from tests.integration.clicks.conftest import AT, CURL, FIREFOX, Finished, drain
from tests.integration.clicks.rolled import DIMENSIONS, OWNERS, line, own_links, table, uniques

AGENTS = (FIREFOX, FIREFOX.replace("X11; Linux x86_64", "Android 14; Mobile"), CURL, "")


def any_lines(seed: int, number: int, links: Sequence[int] = (1, 2, 3, 4)) -> list[bytes]:
    """Random lines over three days, bots, prefetches and private ones among them."""
    chance = random.Random(seed)
    return [
        line(
            chance.choice([None, *(visitor * 0x3333333333333333 for visitor in range(6))]),
            link_id=chance.choice(links),
            at=AT + timedelta(milliseconds=chance.randrange(3 * 86_400_000)),
            kind=chance.choices(["click", "prefetch"], [9, 1])[0],
            user_agent=chance.choice(AGENTS),
            referrer=chance.choice(["", "https://a.example/", "https://b.example/"]),
            address=chance.choice(["193.99.144.0/24", "8.8.8.0/24", "10.0.0.0/24"]),
        )
        for _ in range(number)
    ]


@pytest.fixture
def owned() -> None:
    own_links()


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("LEAST", "MOST"):
        monkeypatch.setattr(pace, bound, 40)


def quarter(at: datetime) -> datetime:
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)


class Recount:
    """What the roll-ups must be, from the rows of clicks (in the order they came) and the prefetches spooled."""

    def __init__(self, prefetches: Iterable[tuple[int, datetime]] = ()) -> None:
        self.counts: defaultdict[tuple[int, datetime], list[Any]] = defaultdict(lambda: [0, 0, 0, None])
        self.facets: Counter[tuple[Any, ...]] = Counter()
        self.visitors: set[tuple[Any, ...]] = set()
        self.account_counts: defaultdict[tuple[int, datetime], list[Any]] = defaultdict(
            lambda: [0, 0, 0, None]
        )
        self.account_facets: Counter[tuple[Any, ...]] = Counter()
        with database.reading() as connection:
            rows = connection.execute(select(Click.__table__).order_by(Click.id)).all()
        for row in rows:
            for count in self._counts(row.link_id, row.at):
                count[row.bot] += 1
                count[3] = max(count[3] or row.at, row.at)
            if not row.bot and row.visitor:
                self._add_facts(row)
        for link_id, at in prefetches:
            for count in self._counts(link_id, at):
                count[2] += 1

    def _counts(self, link_id: int, at: datetime) -> Iterable[list[Any]]:
        yield self.counts[link_id, quarter(at)]
        if link_id in OWNERS:
            yield self.account_counts[OWNERS[link_id], quarter(at)]

    def _add_facts(self, row: Any) -> None:
        day = row.at.date()
        self.visitors.add((day, row.link_id, int.from_bytes(row.visitor, "big", signed=True)))
        for dimension in DIMENSIONS:
            value = getattr(row, dimension)
            self.facets[row.link_id, day, dimension, value] += 1
            if row.link_id in OWNERS:
                self.account_facets[OWNERS[row.link_id], day, dimension, value] += 1


def prefetches_of(lines: Iterable[bytes]) -> list[tuple[int, datetime]]:
    found = batch_of([one for one in lines if b'"prefetch"' in one], countries()).links.counts
    start = datetime(1970, 1, 1, tzinfo=UTC)
    return [
        (link_id, start + timedelta(minutes=15 * number))
        for (link_id, number), count in found.items()
        for _ in range(count.prefetches)
    ]


@pytest.mark.usefixtures("owned")
@pytest.mark.parametrize("seed", [1, 2])
def test_roll_ups_equal_a_recount_of_the_rows(
    small_batches: None, ingester: Ingester, finished: Finished, seed: int
) -> None:
    pieces = [any_lines(seed * 10 + file, 130) for file in range(4)]
    for piece in pieces:
        finished(piece)
    drain(ingester)
    recount = Recount(prefetches_of(one for piece in pieces for one in piece))
    for model, expected in ((ClickCount, recount.counts), (AccountCount, recount.account_counts)):
        assert table(model, "uniques") == {key: tuple(count) for key, count in expected.items()}
    for model, clicks in ((ClickFacet, recount.facets), (AccountFacet, recount.account_facets)):
        assert table(model) == {key: (number,) for key, number in clicks.items()}
    assert table(DailyVisitor).keys() == recount.visitors
    by_day = Counter((at.date(), link_id) for link_id, at in uniques().elements())
    assert by_day == Counter((day, link_id) for day, link_id, _ in recount.visitors)
    of_accounts: Counter[tuple[int, datetime]] = Counter()
    for (link_id, at), number in uniques().items():
        if link_id in OWNERS:
            of_accounts[OWNERS[link_id], at] += number
    assert of_accounts == {key: row[3] for key, row in table(AccountCount).items() if row[3]}
    assert sum(of_accounts.values()) > 50


@pytest.mark.usefixtures("owned")
def test_rows_that_others_add_to_go_in_the_order_of_their_keys() -> None:
    """What keeps ingesters of several hosts from deadlocks."""
    entry = Accounting().enter(batch_of(any_lines(9, 300), countries()))
    for gain in (entry.links, entry.accounts):
        assert gain.facets == sorted(gain.facets)
        assert gain.count_rows() == sorted(gain.count_rows(), key=lambda row: row[:2])
    assert list(entry.visitors) == sorted(entry.visitors)
    assert min(len(entry.visitors), len(entry.accounts.facets)) > 20


@pytest.mark.usefixtures("owned")
def test_the_order_of_the_lines_in_a_batch_is_of_no_account(ingester: Ingester, finished: Finished) -> None:
    lines = any_lines(5, 300)
    models = (ClickCount, ClickFacet, AccountCount, AccountFacet, DailyVisitor)
    found = []
    for ordered in (lines, lines[::-1]):
        finished(ordered)
        drain(ingester)
        found.append([table(model) for model in models])
        with database.writing() as connection:
            for model in models:
                connection.execute(model.__table__.delete())
    assert found[0] == found[1]
    assert all(found[0])


@pytest.mark.usefixtures("owned", "small_batches")
def test_a_batch_that_is_repeated_after_a_crash_counts_once(spool_dir: Path, finished: Finished) -> None:
    """The commit's answer was lost: the next reader starts over, and finds the position moved."""
    path = finished(any_lines(6, 100))
    content = path.read_bytes()
    with Ingester(spool_dir, countries()) as first:
        list(first.step())
    with Ingester(spool_dir, countries()) as second:
        second._positions[path.name] = Position(0, finished=False)
        drain(second)
    path.write_bytes(content)
    with Ingester(spool_dir, countries()) as third:
        drain(third)
    recount = Recount(prefetches_of(content.splitlines()))
    assert table(ClickCount, "uniques") == {key: tuple(count) for key, count in recount.counts.items()}
    assert table(AccountFacet) == {key: (number,) for key, number in recount.account_facets.items()}
    assert sum(uniques().values()) == len(recount.visitors)
