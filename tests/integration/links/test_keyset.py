"""Pages over rows that come and go, in one order on both engines, walked both ways."""

import itertools
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, event, insert, update

from app import database, keyset
from app.accounts.principals import Principal
from app.extensions import db
from app.keyset import Edge, Listing, Page
from app.links import listing
from app.links.listing import Filters
from app.links.models import Link
from tests.conftest import Caller
from tests.making import internal_id

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
TITLES = [
    None,
    "",
    "b",
    "B",
    "a",
    "é",
    None,
    "z",
    "-",
    "1",
    "ab",
    "a b",
    "\N{GRINNING FACE}",
    "\N{FULLWIDTH LATIN SMALL LETTER A}",
]
SORTS = (
    "created_at",
    "-updated_at",
    "code",
    "-title",
    "-created_at,code",
    "title,-updated_at",
    "-updated_at,title,-code",
    "created_at,-updated_at,title,code",
)


@pytest.fixture
def owner(app: Flask, alice: Caller) -> Iterator[int]:
    """The owner of one link for each title; three of them made at each instant."""
    owner_id = internal_id(app, alice)
    with app.app_context():
        with database.writing() as connection:
            connection.execute(insert(Link), [_row(owner_id, number) for number in range(len(TITLES))])
        yield owner_id


def _row(owner_id: int, number: int) -> dict[str, Any]:
    return {
        "owner_id": owner_id,
        "code": f"c{number * 7 % len(TITLES):02}{number:02}",
        "title": TITLES[number % len(TITLES)],
        "url": "https://example.com/",
        "created_at": NOW + timedelta(microseconds=number // 3),
        "updated_at": NOW + timedelta(hours=number % 2),
    }


def listed(owner_id: int, sort: str) -> Listing[Link]:
    return listing.links(Principal(owner_id, "", "user", ""), Filters(), sort.split(","))


def oracle(rows: list[dict[str, Any]], sort: str) -> list[str]:
    """The codes as Python sorts them, of rows in the order of their ids: a stable sort a key, the last one first."""
    names = sort.split(",")
    if names[-1].startswith("-"):
        rows = rows[::-1]
    for name in reversed(names):
        key = name.removeprefix("-")
        rows = sorted(rows, key=lambda row: row[key] or "", reverse=name.startswith("-"))
    return [row["code"] for row in rows]


def fetched(found: Listing[Link], size: int, edge: Edge | None = None, skip: int = 0) -> Page[str]:
    """A page, by its links' codes."""
    database.make_read_only(db.session())
    page = keyset.fetch(db.session(), found, size, edge, skip)
    codes = [link.code for link in page.items]
    db.session.remove()  # what others do in the meantime is seen
    return Page(codes, page.prev, page.next)


def forward(found: Listing[Link], size: int, meanwhile: Callable[[], None] = lambda: None) -> list[str]:
    page = fetched(found, size)
    seen = [*page.items]
    while page.next:
        meanwhile()
        page = fetched(found, size, page.next)
        seen += page.items
    return seen


def backward(found: Listing[Link], size: int, meanwhile: Callable[[], None] = lambda: None) -> list[str]:
    last = fetched(found, 1, skip=len(forward(found, 100)) - 1).prev
    assert last is not None
    page = fetched(found, size, replace(last, inclusive=True))
    seen = [*page.items]
    while page.prev:
        meanwhile()
        page = fetched(found, size, page.prev)
        seen = [*page.items, *seen]
    return seen


def by_number(found: Listing[Link], size: int, meanwhile: Callable[[], None]) -> list[str]:
    seen: list[str] = []
    while page := fetched(found, size, skip=len(seen)).items:
        seen += page
        meanwhile()
    return seen


@pytest.mark.parametrize("sort", SORTS)
def test_pages_hold_each_row_once_in_order_both_ways(owner: int, sort: str) -> None:
    rows = [_row(owner, number) for number in range(len(TITLES))]
    found = listed(owner, sort)
    for size in (1, 4, len(TITLES), 100):
        assert forward(found, size) == oracle(rows, sort)
        assert backward(found, size) == oracle(rows, sort)


def test_prev_leads_to_exactly_the_page_before(owner: int) -> None:
    found = listed(owner, "-created_at,code")
    pages = [fetched(found, 4)]
    while edge := pages[-1].next:
        pages.append(fetched(found, 4, edge))
    assert [len(page.items) for page in pages] == [4, 4, 4, 2]
    for before, page in itertools.pairwise(pages):
        assert page.prev is not None
        back = fetched(found, 4, page.prev)
        assert back.items == before.items
        assert (back.prev is None, back.next) == (before.prev is None, before.next)
    assert pages[0].prev is None


def test_an_empty_page_leads_back_to_the_row_that_led_there(owner: int) -> None:
    found = listed(owner, "code")
    first = fetched(found, 4)
    codes = first.items
    with database.writing() as connection:
        connection.execute(delete(Link).where(Link.code.not_in(codes)))
    gone = fetched(found, 4, first.next)
    assert (gone.items, gone.next) == ([], None)
    back = fetched(found, 4, gone.prev)
    assert back.items == codes
    with database.writing() as connection:
        connection.execute(delete(Link))
    assert fetched(found, 4).items == []
    assert fetched(found, 4).prev is None
    empty = fetched(found, 4, back.next)
    assert fetched(found, 4, empty.prev).next == replace(empty.prev, backward=False, inclusive=False)


class Others:
    """People who make, change and delete links while somebody reads pages; the same ones for the same seed."""

    def __init__(self, owner: int, sort: str, seed: int) -> None:
        self._owner, self._sort = owner, sort
        self._random = random.Random(seed)
        self._numbers = itertools.count(1_000)
        self.steady = {f"n{number:03}" for number in range(24)}
        """Those that were there throughout and kept their place in the order."""
        self._store([self._link(code) for code in sorted(self.steady)])

    def __call__(self) -> None:
        for _ in range(2):
            self._random.choice([self._make, self._delete, self._change])()

    def _link(self, code: str) -> dict[str, Any]:
        at = NOW + timedelta(seconds=self._random.randrange(20))
        title = self._random.choice(TITLES)
        return {**_row(self._owner, 0), "code": code, "title": title, "created_at": at, "updated_at": at}

    def _make(self) -> None:
        self._store([self._link(f"{self._random.choice('amnz')}{next(self._numbers)}")])

    def _delete(self) -> None:
        code = self._random.choice(sorted(self.steady))
        self.steady.discard(code)
        self._write(delete(Link).where(Link.code == code))

    def _change(self) -> None:
        code = self._random.choice(sorted(self.steady))
        if {"title", "updated_at"} & set(self._sort.replace("-", "").split(",")):
            self.steady.discard(code)
        values = {"title": self._random.choice(TITLES), "updated_at": NOW + timedelta(days=1)}
        self._write(update(Link).where(Link.code == code).values(**values))

    def _store(self, links: list[dict[str, Any]]) -> None:
        self._write(insert(Link).values(links))

    def _write(self, statement: Any) -> None:
        with database.writing() as connection:
            connection.execute(statement)


def wrong(walk: Any, owner: int, sort: str, seed: int) -> set[str]:
    """The links that were there throughout and were not seen exactly once."""
    with database.writing() as connection:
        connection.execute(delete(Link))
    others = Others(owner, sort, seed)
    seen = Counter(walk(listed(owner, sort), 3 + seed % 3, others))
    assert others.steady
    return {code for code in others.steady if seen[code] != 1}


@pytest.mark.parametrize("sort", ["-created_at", "title", "-created_at,title,code"])
def test_what_was_there_throughout_is_seen_exactly_once_while_others_write(owner: int, sort: str) -> None:
    for seed in range(2):
        assert wrong(forward, owner, sort, seed) == set()
        assert wrong(backward, owner, sort, seed) == set()


def test_pages_by_number_skip_and_repeat_while_others_write(owner: int) -> None:
    """The control: were it green, the test above would not see what it is for."""
    assert any(wrong(by_number, owner, "-created_at", seed) for seed in range(3))


@pytest.mark.parametrize("sort", ["-created_at", "updated_at", "code", "-title", "-created_at,code"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_pages_far_inside_are_found_in_an_index_of_the_sort(owner: int, sort: str) -> None:
    """SQLite says how it reads; for so few rows PostgreSQL would read them all (bench.pages measures both)."""
    found = listed(owner, sort)
    edge = fetched(found, 4).next
    assert edge is not None
    with plans() as seen:
        fetched(found, 4, edge)
    index = f"ix_links_owner_id_{sort.split(',', maxsplit=1)[0].removeprefix('-')}"
    searched = [step for step in seen if "SEARCH links USING" in step and "PRIMARY KEY" not in step]
    assert len(searched) == len(found.order)
    for step in searched:
        assert re.search(rf"INDEX {index} \(owner_id=\? AND .+[<>=]\?", step), step


@contextmanager
def plans() -> Iterator[list[str]]:
    """The steps of SQLite's plans for what is asked meanwhile."""
    steps: list[str] = []

    def explain(_connection: Any, cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith("SELECT"):
            steps.extend(
                row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            )

    event.listen(db.engine, "before_cursor_execute", explain)
    try:
        yield steps
    finally:
        event.remove(db.engine, "before_cursor_execute", explain)
