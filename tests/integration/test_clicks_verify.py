"""flask clicks verify: it passes on what was ingested, and finds each kind of damage. On both engines."""

import secrets
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from click.testing import Result
from flask import Flask
from sqlalchemy import insert, text

from app import database
from app.accounts.models import User
from app.clicks import facetbound, verifying
from app.clicks.countries import countries
from app.clicks.ingest import Ingester
from app.clicks.line import ClickLine, Kind, encode
from app.clicks.verifying import Difference, verify
from app.links.models import Link
from tests.integration.clicks.conftest import CURL, FIREFOX, drain

NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)
MORNING = datetime(2026, 5, 1, 9, 5, tzinfo=UTC)
ALICE, BOB = 901, 902
ONE, TWO, THREE = 801, 802, 803
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
FACETS = {"browser 'Firefox'", "country 'DE'", "device 'desktop'", "os 'Linux'", "referrer 'news.example'"}


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def line(
    link_id: int,
    at: datetime,
    visitor: int = 1,
    *,
    kind: Kind = "click",
    user_agent: str = FIREFOX,
    referrer: str = "https://news.example/",
) -> bytes:
    """A spool line; visitor 0 is a private one."""
    time, hashed = (
        int(at.timestamp() * 1000),
        f"{visitor * 0x9000000000000001 % 2**64:016x}" if visitor else "",
    )
    address, source = ("193.99.144.0/24", referrer) if visitor else ("", "")
    return encode(ClickLine(time, link_id, kind, hashed, address, user_agent, source, ""))


def ingest(app: Flask, *files: list[bytes]) -> None:
    """Each file in a transaction of its own, in this order."""
    directory = app.config["SPOOL_DIR"]
    with app.app_context(), Ingester(directory, countries()) as ingester:
        for lines in files:
            (directory / f"{secrets.token_hex(8)}.spool").write_bytes(b"".join(lines))
            drain(ingester)


@pytest.fixture
def links(app: Flask) -> None:
    """Two of Alice's and one of Bob's."""
    times = {"created_at": NOW, "updated_at": NOW}
    with app.app_context(), database.writing() as connection:
        people = [
            {"id": id_, "public_id": name, **times} for id_, name in ((ALICE, "usr_alice"), (BOB, "usr_bob"))
        ]
        connection.execute(insert(User), people)
        owners = ((ONE, "one", ALICE), (TWO, "two", ALICE), (THREE, "three", BOB))
        made = [
            {"id": id_, "code": code, "owner_id": owner, "url": "", **times} for id_, code, owner in owners
        ]
        connection.execute(insert(Link), made)


@pytest.fixture
def ingested(app: Flask, links: None) -> None:
    later = [
        line(ONE, MORNING + 40 * MINUTE, visitor=1),
        line(ONE, MORNING + 41 * MINUTE, visitor=2),
        line(ONE, MORNING + 41 * MINUTE, visitor=0),
        line(ONE, MORNING + 42 * MINUTE, user_agent=CURL),
        line(ONE, MORNING + 43 * MINUTE, kind="prefetch"),
        line(TWO, MORNING + 44 * MINUTE, visitor=1),
        line(THREE, MORNING + 44 * MINUTE, visitor=0, user_agent=CURL),
        line(99, MORNING + 44 * MINUTE, visitor=7),  # nobody's
    ]
    earlier = [line(ONE, MORNING, visitor=1), line(ONE, MORNING + DAY, visitor=1, referrer="")]
    ingest(app, later, earlier)


def damage(app: Flask, statement: str, **values: object) -> None:
    with app.app_context(), database.writing() as connection:
        assert connection.execute(text(statement), values).rowcount > 0


def found(app: Flask) -> list[Difference]:
    with app.app_context():
        return list(verify().differences)


def typed(app: Flask, *options: str) -> Result:
    return app.test_cli_runner().invoke(args=["clicks", "verify", *options])


@pytest.mark.usefixtures("ingested")
def test_what_was_ingested_adds_up(app: Flask) -> None:
    result = typed(app)
    assert (
        result.output
        == "9 clicks since 2025-06-01, on 2 days and 4 links, and all accounts: no wrong rows.\n"
    )
    assert result.exit_code == 0


def test_empty_database_adds_up(app: Flask) -> None:
    result = typed(app)
    assert (result.exit_code, result.output[:9]) == (0, "0 clicks ")


@pytest.mark.usefixtures("ingested")
@pytest.mark.parametrize(
    ("statement", "of_link", "of_account"),
    [
        ("UPDATE click_counts SET humans = humans + 1 WHERE {first}", {"humans"}, {"humans"}),
        ("UPDATE click_counts SET bots = bots + 1 WHERE {first}", {"bots"}, {"bots"}),
        ("UPDATE click_counts SET last_at = quarter WHERE {first}", {"last_at"}, {"last_at"}),
        ("UPDATE click_counts SET last_at = NULL WHERE {first}", {"last_at"}, {"last_at"}),
        ("UPDATE click_counts SET uniques = uniques + 1 WHERE {first}", {"uniques"}, {"uniques"}),
        ("UPDATE click_counts SET prefetches = prefetches + 1 WHERE {first}", set(), {"prefetches"}),
        (
            "DELETE FROM click_counts WHERE link_id = :one AND quarter > :tomorrow",
            {"humans", "uniques", "last_at"},
            {"humans", "uniques", "last_at"},
        ),
        (
            "INSERT INTO click_counts (link_id, quarter, humans, bots, prefetches, uniques) "
            "VALUES (:one, :tomorrow, 5, 0, 0, 0)",
            {"humans"},
            {"humans"},
        ),
        (
            "UPDATE click_facets SET clicks = clicks - 1 WHERE link_id = :one AND value = 'Firefox' AND day = :day",
            {"browser 'Firefox'"},
            {"browser 'Firefox'"},
        ),
        (
            "UPDATE click_facets SET value = 'Netscape' WHERE link_id = :one AND value = 'Firefox' AND day = :day",
            {"browser 'Firefox'", "browser 'Netscape'"},
            {"browser 'Firefox'", "browser 'Netscape'"},
        ),
        ("DELETE FROM clicks WHERE {first_row}", {"humans", "last_at", *FACETS}, set()),
        ("UPDATE clicks SET bot = NOT bot WHERE {first_row}", {"humans", "bots", *FACETS}, set()),
        ("UPDATE clicks SET link_id = 77 WHERE {first_row}", {"humans", "last_at", *FACETS}, set()),
        (
            "UPDATE clicks SET visitor = :other WHERE {first_row}",
            {"uniques"},
            set(),
        ),
        ("UPDATE account_counts SET humans = humans - 1 WHERE {own}", set(), {"humans"}),
        ("UPDATE account_counts SET uniques = uniques - 1 WHERE {own}", set(), {"uniques"}),
        ("UPDATE account_counts SET prefetches = 9 WHERE {own}", set(), {"prefetches"}),
        ("UPDATE account_counts SET last_at = quarter WHERE {own}", set(), {"last_at"}),
        ("DELETE FROM account_facets WHERE owner_id = :alice AND value = 'Linux'", set(), {"os 'Linux'"}),
    ],
)
def test_damage_is_found_and_named(
    app: Flask,
    statement: str,
    of_link: set[str],
    of_account: set[str],
) -> None:
    places = {
        "first": "link_id = :one AND quarter < :soon",
        "first_row": "link_id = :one AND at < :soon",
        "own": "owner_id = :alice AND quarter < :soon",
    }
    values = {
        "one": ONE,
        "alice": ALICE,
        "soon": MORNING + 10 * MINUTE,
        "tomorrow": datetime(2026, 5, 2, tzinfo=UTC),
        "day": MORNING.date(),
        "other": b"someone.",
    }
    statement = statement.format(**places)
    damage(
        app,
        statement,
        **{name: _stored(app, value) for name, value in values.items() if f":{name}" in statement},
    )
    differences = found(app)
    assert {one.what for one in differences if one.whose == "link one"} == of_link
    assert {one.what for one in differences if one.whose == "account usr_alice"} == of_account
    others = {one.whose for one in differences} - {"link one", "account usr_alice"}
    assert others == ({"link 77"} if "link_id = 77" in statement else set())


def _stored(app: Flask, value: object) -> object:
    """A value as the engine takes it beside plain SQL: SQLite keeps times as texts."""
    if app.config["SQLALCHEMY_DATABASE_URI"].startswith("postgresql"):
        return value
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S.%f}"
    return value.isoformat() if isinstance(value, date) else value


@pytest.mark.usefixtures("ingested")
def test_difference_tells_both_figures_and_when(app: Flask) -> None:
    damage(
        app, "UPDATE account_counts SET humans = humans + 3, bots = bots + 1 WHERE humans = 1 AND bots = 0"
    )
    result = typed(app)
    assert result.exit_code == 1
    assert "account usr_alice, 2026-05-01 09:00: humans should be 1, is 4\n" in result.output
    assert "account usr_alice, 2026-05-01 09:00: bots should be 0, is 1\n" in result.output


@pytest.mark.usefixtures("ingested")
def test_days_whose_clicks_are_gone_in_part_are_not_checked(app: Flask) -> None:
    app.config["CLICKS_KEPT_DAYS"] = 30  # to 1 May, 12:00
    damage(app, "DELETE FROM clicks WHERE at < :at", at=_stored(app, MORNING + 10 * MINUTE))
    assert found(app) == []
    assert typed(app).output.startswith("1 clicks since 2026-05-02, on 1 days and 1 links")
    earlier = typed(app, "--from", "2026-05-01")
    assert earlier.exit_code == 1
    assert "link one, 2026-05-01 09:00: humans should be None, is 1\n" in earlier.output


@pytest.mark.usefixtures("ingested")
def test_without_an_end_to_keeping_all_days_are_checked(app: Flask) -> None:
    app.config["CLICKS_KEPT_DAYS"] = 0
    assert typed(app).output.startswith("9 clicks since 1970-01-01,")


def test_values_that_found_no_room_are_compared_in_sum(
    app: Flask, links: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facetbound, "MAX_VALUES", 3)
    ingest(
        app,
        [line(ONE, MORNING, number, referrer=f"https://site{number}.example/") for number in range(1, 6)],
        [line(TWO, MORNING, 1, referrer="https://site1.example/")],
    )
    assert found(app) == []
    damage(app, "UPDATE click_facets SET clicks = clicks + 1 WHERE value = '(other)'")
    assert {(one.whose[:4], one.what) for one in found(app)} == {
        ("link", "referrer 'all values'"),
        ("acco", "referrer 'all values'"),
    }


def test_many_differences_are_counted_and_some_of_them_named(
    app: Flask, links: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "MOST", 3)
    ingest(app, [line(ONE, MORNING + number * 15 * MINUTE) for number in range(10)])
    damage(app, "UPDATE click_counts SET bots = 7")
    result = typed(app)
    assert result.output.splitlines()[0].endswith(": 20 wrong rows.")
    assert len(result.output.splitlines()) == 1 + 3 + 3


def test_a_writer_beside_it_is_not_seen(app: Flask, links: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed between its statements belongs to another moment."""
    ingest(app, [line(ONE, MORNING)])
    extent = verifying._Recount.extent

    def extent_then_a_click(recount: verifying._Recount) -> tuple[int, int, int]:
        counted = extent(recount)
        damage(app, "DELETE FROM clicks")
        return counted

    monkeypatch.setattr(verifying._Recount, "extent", extent_then_a_click)
    assert found(app) == []
    monkeypatch.undo()
    assert found(app) != []


def test_verifying_writes_nothing(app: Flask) -> None:
    with app.app_context():
        verify()
        with database.reading() as connection:
            assert connection.get_isolation_level() != "REPEATABLE READ"  # put back for whoever is next


def test_link_of_another_host_is_named_with_it(app: Flask, links: None) -> None:
    damage(app, "INSERT INTO domains (id, host) VALUES (77, 'go.example.net')")
    damage(app, "UPDATE links SET domain_id = 77 WHERE id = :one", one=ONE)
    ingest(app, [line(ONE, MORNING)])
    damage(app, "DELETE FROM clicks")
    assert found(app)[0].whose == "link go.example.net/one"
