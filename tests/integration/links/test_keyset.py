"""Pages over rows that come and go, in one order on both engines."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, func, insert, select

from app import database, keyset
from app.extensions import db
from app.keyset import Order, by_code_point
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
    "z",
    "-",
    "1",
    "ab",
    "a b",
    "\N{GRINNING FACE}",
    "\N{FULLWIDTH LATIN SMALL LETTER A}",
]


@pytest.fixture
def owner(app: Flask, alice: Caller) -> Iterator[int]:
    """The owner of one link for each title; three of them made at each instant."""
    owner_id = internal_id(app, alice)
    links = [
        {
            "owner_id": owner_id,
            "code": f"c{number:02}",
            "title": title,
            "url": "https://example.com/",
            "created_at": NOW + timedelta(microseconds=number // 3),
            "updated_at": NOW,
        }
        for number, title in enumerate(TITLES)
    ]
    with app.app_context():
        with database.writing() as connection:
            connection.execute(insert(Link), links)
        yield owner_id


def order(column: str, descending: bool) -> Order:
    first = {
        "title": by_code_point(func.coalesce(Link.title, "")),
        "created_at": Link.created_at.expression,
    }[column]
    return Order((first, by_code_point(Link.code.expression)), descending)


def walk(by: Order, size: int) -> list[str]:
    found: list[str] = []
    after = None
    for _ in range(len(TITLES) + 1):
        page = keyset.fetch(db.session(), select(Link), by, after, size)
        assert len(page.items) == size or page.next is None
        found += [link.code for link in page.items]
        if page.next is None:
            return found
        after = page.next
    raise AssertionError("the list has no end")


def test_pages_hold_each_row_once_in_the_order_of_code_points(owner: int) -> None:
    codes = [f"c{number:02}" for number in range(len(TITLES))]
    for size, descending in itertools.product([1, 2, 4, len(TITLES), 100], [False, True]):
        by_title = sorted(codes, key=lambda code: (TITLES[int(code[1:])] or "", code), reverse=descending)
        by_time = sorted(codes, key=lambda code: (int(code[1:]) // 3, code), reverse=descending)
        assert walk(order("title", descending), size) == by_title
        assert walk(order("created_at", descending), size) == by_time


def test_rows_that_go_and_come_neither_skip_nor_repeat_others(app: Flask, owner: int) -> None:
    by = order("created_at", descending=True)
    first = keyset.fetch(db.session(), select(Link), by, None, 4)
    last = first.items[-1].code
    db.session.rollback()
    newer = {"owner_id": owner, "code": "newer", "url": "https://example.com/", "updated_at": NOW}
    with database.writing() as connection:
        connection.execute(delete(Link).where(Link.code == last))
        connection.execute(insert(Link), [{**newer, "created_at": NOW + timedelta(days=1)}])
    second = keyset.fetch(db.session(), select(Link), by, first.next, 4)
    assert [link.code for link in second.items] == ["c08", "c07", "c06", "c05"]


def test_nothing_gives_an_empty_last_page(app: Flask, owner: int) -> None:
    page = keyset.fetch(db.session(), select(Link).where(Link.id < 0), order("title", False), None, 5)
    assert (page.items, page.next) == ([], None)
