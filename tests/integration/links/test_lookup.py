"""The memory of the fast entrances: spares reads, and never tells what is no longer so."""

import random
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask
from prometheus_client import REGISTRY
from sqlalchemy import insert, make_url, update

from app import clock, database
from app.accounts.models import User
from app.extensions import db
from app.ids import opaque_id
from app.links.lookup import Lookup, NotNow
from app.links.models import Domain, Link
from app.links.on_postgresql import PostgreSQLLinks
from app.links.on_sqlite import SQLiteLinks
from app.links.resolve import Resolved
from tests.e2e.processes import eventually

HOST = "sho.rt"
AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Counting:
    """A source that counts its reads of links."""

    reads = 0

    def links(self, domain_id: int, codes: Collection[str], wait: bool) -> dict[str, Resolved]:
        self.reads += 1
        return super().links(domain_id, codes, wait)  # type: ignore[misc]  # of the source it is mixed into


class CountingSQLite(Counting, SQLiteLinks):
    pass


class CountingPostgreSQL(Counting, PostgreSQLLinks):
    pass


class Blind(SQLiteLinks):
    """The control: a source that never sees a change."""

    def stamp(self) -> object | None:
        return self


def url_of(link: Resolved | None, _now: datetime) -> str | None:
    return link.url if link else None


def find(
    lookup: Lookup[Any], code: str = "abc", now: datetime = AT, host: str = HOST, wait: bool = True
) -> Any:
    return find_all(lookup, (host, code), now=now, wait=wait)[0]


def find_all(
    lookup: Lookup[Any], *asked: tuple[str, str], now: datetime = AT, wait: bool = True
) -> list[Any]:
    return lookup.find(asked, now, wait, NotNow)


def counted() -> float:
    """The look-ups in `/metrics`."""
    results = [
        REGISTRY.get_sample_value("slugline_link_lookups_total", {"result": r}) for r in ("hit", "miss")
    ]
    return sum(filter(None, results))


@pytest.fixture
def owner_id(app: Flask) -> int:
    with app.app_context(), database.writing() as connection:
        now = clock.now()
        owner = {"public_id": opaque_id("usr"), "created_at": now, "updated_at": now}
        return connection.execute(insert(User).values(owner).returning(User.id)).scalar_one()


@pytest.fixture
def add(app: Flask, owner_id: int) -> Callable[..., None]:
    def make(code: str, url: str = "https://example.com/1", **columns: Any) -> None:
        row = {"code": code, "url": url, "owner_id": owner_id, "created_at": AT, "updated_at": AT} | columns
        with app.app_context(), database.writing() as connection:
            connection.execute(insert(Link).values(row))

    return make


@pytest.fixture
def change(app: Flask) -> Callable[..., None]:
    def execute(code: str, **columns: Any) -> None:
        with app.app_context(), database.writing() as connection:
            connection.execute(update(Link).where(Link.code == code).values(columns))

    return execute


@pytest.fixture
def source(app: Flask) -> Any:
    with app.app_context():
        engine = db.engine
    return CountingSQLite(engine) if engine.dialect.name == "sqlite" else CountingPostgreSQL(engine)


@pytest.fixture
def lookup(source: Any) -> Iterator[Lookup[str | None]]:
    """One that hears of changes."""
    lookup = Lookup(source, url_of)
    if isinstance(source, PostgreSQLLinks):
        stop = source.listen(lookup)
        eventually(lambda: source.stamp() is not None)
        yield lookup
        stop()
    else:
        find(lookup, "first")  # makes the connection, from which on there is a stamp
        yield lookup


def test_a_link_is_read_once(lookup: Lookup[str | None], source: Any, add: Callable[..., None]) -> None:
    add("abc")
    eventually(lambda: find(lookup) is not None)
    before = source.reads
    assert [find(lookup) for _ in range(5)] == ["https://example.com/1"] * 5
    assert source.reads - before <= 1


def test_all_that_is_asked_for_together_is_told_in_its_order_by_one_read(
    lookup: Lookup[str | None], source: Any, add: Callable[..., None], app: Flask
) -> None:
    with app.app_context(), database.writing() as connection:
        domain_id = connection.execute(
            insert(Domain).values(host="go.example.org").returning(Domain.id)
        ).scalar_one()
    add("abc")
    add("Abc", "https://example.com/2", expires_at=AT + timedelta(hours=1))
    add("abc", "https://example.com/3", domain_id=domain_id)
    asked = [(HOST, "Abc"), (HOST, "none"), ("go.example.org", "abc"), (HOST, "abc"), (HOST, "Abc")]
    told = ["https://example.com/2", None, "https://example.com/3", "https://example.com/1"]
    told.append(told[0])
    eventually(lambda: find_all(lookup, *asked) == told)
    before = source.reads
    assert find_all(lookup, *asked, now=AT + timedelta(seconds=2)) == told
    assert source.reads - before == 2, "one for each domain"


def test_who_is_told_is_counted_once_and_who_is_left_to_others_is_not(
    lookup: Lookup[str | None], add: Callable[..., None]
) -> None:
    add("abc")
    asked = [(HOST, "abc"), (HOST, "none"), ("new.example", "abc"), (HOST, "abc"), ("a..b", "abc")]
    for wait in (False, True, False, True):
        before = counted()
        told = find_all(lookup, *asked, wait=wait)
        assert counted() - before == len(told) - told.count(NotNow)
    assert told.count(NotNow) == 1


def test_what_does_not_exist_is_remembered_and_found_once_it_does(
    lookup: Lookup[str | None], source: Any, add: Callable[..., None]
) -> None:
    before = source.reads
    assert [find(lookup) for _ in range(5)] == [None] * 5
    assert source.reads - before == 1
    add("abc")
    eventually(lambda: find(lookup) == "https://example.com/1")


def test_an_entry_is_trusted_for_a_second_at_most(
    lookup: Lookup[str | None], source: Any, add: Callable[..., None]
) -> None:
    add("abc")
    eventually(lambda: find(lookup) is not None)
    before = source.reads
    find(lookup, now=AT + timedelta(seconds=2))
    assert source.reads - before == 1


def test_times_of_the_link_itself_end_an_entry(app: Flask, source: Any, add: Callable[..., None]) -> None:
    half, quarter = AT + timedelta(milliseconds=500), AT + timedelta(milliseconds=250)
    add("ends", expires_at=half)
    add("begins", starts_at=half)
    lookup: Lookup[object] = Lookup(source, lambda link, now: link and link.state(now).value)
    find(lookup, "first")
    for code, states in {"ends": ("active", "expired"), "begins": ("scheduled", "active")}.items():
        told = [find(lookup, code, now) for now in (AT, quarter, half)]
        assert told == [states[0], states[0], states[1]]


def test_a_domain_is_found_once_it_exists(
    app: Flask, lookup: Lookup[str | None], add: Callable[..., None]
) -> None:
    add("abc")
    assert find(lookup, host="go.example.org:8443") == "https://example.com/1"  # as on the default domain
    with app.app_context(), database.writing() as connection:
        connection.execute(insert(Domain).values(host="go.example.org"))
    eventually(lambda: find(lookup, host="go.example.org:8443") is None)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("wait", [True, False])
def test_on_sqlite_the_next_look_sees_every_commit_of_anybody(
    app: Flask, lookup: Lookup[str | None], add: Callable[..., None], change: Callable[..., None], wait: bool
) -> None:
    add("abc")
    with app.app_context():
        blind = Lookup(Blind(db.engine), url_of)
    find(blind)
    stale = 0
    path = make_url(app.config["SQLALCHEMY_DATABASE_URI"]).database
    with closing(sqlite3.connect(str(path), timeout=0, isolation_level=None)) as stranger:
        for number in range(200):
            url = f"https://example.com/{number}"
            if random.random() < 0.5:
                stranger.execute("UPDATE links SET url = ?", (url,))
            else:
                change("abc", url=url)
            if random.random() < 0.1:
                stranger.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            assert find(lookup, wait=wait) == url
            assert find(lookup, f"x{number}", wait=wait) is None
            stale += find(blind) != url
    assert stale >= 199  # a look that does not see the header is wrong each time


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_on_sqlite_commits_that_change_no_link_end_no_trust(
    app: Flask, lookup: Lookup[str | None], source: Any, add: Callable[..., None], change: Callable[..., None]
) -> None:
    add("abc")
    find(lookup)
    stamp = source.stamp()
    for harmless in ({"title": "new"}, {"clicks_used": 5}, {"notes": "new"}):
        change("abc", **harmless)
        assert source.stamp() is stamp
    with app.app_context():
        db.session.execute(insert(Domain).values(host="new.example"))
        db.session.commit()
    assert source.stamp() is not stamp


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("wait", [True, False])
def test_on_sqlite_a_look_leaves_no_lock_behind(
    app: Flask, lookup: Lookup[str | None], source: Any, add: Callable[..., None], wait: bool
) -> None:
    add("abc")
    find(lookup, wait=wait)
    path = make_url(app.config["SQLALCHEMY_DATABASE_URI"]).database
    with closing(sqlite3.connect(str(path), timeout=0)) as stranger:
        busy, *_ = stranger.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert busy == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_on_sqlite_what_cannot_be_read_is_left_to_others(app: Flask, lookup: Lookup[str | None]) -> None:
    path = make_url(app.config["SQLALCHEMY_DATABASE_URI"]).database
    with closing(sqlite3.connect(str(path), isolation_level=None)) as stranger:
        stranger.execute("ALTER TABLE links RENAME TO gone")
        assert find(lookup) is NotNow
        stranger.execute("ALTER TABLE gone RENAME TO links")
    assert find(lookup) is None


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_on_postgresql_who_may_not_wait_is_told_what_is_known_alone(
    lookup: Lookup[str | None], add: Callable[..., None]
) -> None:
    add("abc")
    assert find(lookup, wait=False) is NotNow
    # Not at once: the notification of the insertion may be under way.
    eventually(lambda: find(lookup) and find(lookup, wait=False) == "https://example.com/1")
    told = find_all(lookup, (HOST, "abc"), (HOST, "other"), wait=False)
    assert told == ["https://example.com/1", NotNow], "who is known is told beside who is not"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_on_postgresql_a_change_is_heard_of(
    lookup: Lookup[str | None], source: Any, add: Callable[..., None], change: Callable[..., None]
) -> None:
    """At the time AT, which does not pass: no entry grows old, only the notification ends it."""
    add("abc")
    for number in range(20):
        url = f"https://example.com/{number}"
        find(lookup)
        heard = source.changes
        change("abc", url=url)
        eventually(lambda heard=heard: source.changes > heard)  # type: ignore[misc]  # a default binds it
        assert find(lookup) == url


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_on_postgresql_spent_clicks_and_titles_are_no_changes(
    lookup: Lookup[str | None], source: Any, add: Callable[..., None], change: Callable[..., None]
) -> None:
    add("abc")
    add("other")
    eventually(lambda: source.changes >= 2)
    before = source.changes
    change("abc", clicks_used=1, title="new")
    change("other", enabled=False)
    eventually(lambda: source.changes > before)
    assert source.changes == before + 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_on_postgresql_links_in_use_are_renewed_even_if_nothing_is_heard(
    app: Flask, lookup: Lookup[str | None], source: Any, add: Callable[..., None], change: Callable[..., None]
) -> None:
    url = app.config["SQLALCHEMY_DATABASE_URI"].replace("+psycopg", "")
    add("abc")
    with psycopg.connect(url, autocommit=True) as stranger:
        stranger.execute("ALTER TABLE links DISABLE TRIGGER notify_of_link")
        find(lookup, now=clock.now())
        change("abc", url="https://example.com/2")
        reads = source.reads
        eventually(lambda: find(lookup, now=AT) == "https://example.com/2")
        assert source.reads - reads <= 1
        stranger.execute("ALTER TABLE links ENABLE TRIGGER notify_of_link")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_on_postgresql_nothing_from_before_a_lost_connection_is_trusted(
    app: Flask, lookup: Lookup[str | None], source: Any, add: Callable[..., None]
) -> None:
    url = app.config["SQLALCHEMY_DATABASE_URI"].replace("+psycopg", "")
    add("abc")
    find(lookup)
    stamp = source.stamp()
    with psycopg.connect(url, autocommit=True) as stranger:
        stranger.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
    eventually(lambda: source.stamp() is not stamp)
    eventually(lambda: source.stamp() is not None)
    before = source.reads
    find(lookup)
    assert source.reads == before + 1
