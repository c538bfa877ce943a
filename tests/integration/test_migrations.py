"""migrations/: forward and back on both engines, and none missing."""

import os
from collections.abc import Iterator
from pathlib import Path

import flask_migrate
import pytest
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import inspect, make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app import create_app, database
from app.extensions import db
from config import load
from tests.conftest import AppFactory, environment, execute_on_server, new_postgres_database

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def empty_postgres_url(postgres_server: str) -> Iterator[str]:
    url = new_postgres_database(postgres_server)
    yield url
    execute_on_server(postgres_server, f"DROP DATABASE {make_url(url).database} WITH (FORCE)")


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables, once on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


AUDIT = {"audit_event_recorded", "audit_event_kept"}  # triggers on both engines
both_engines = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


def tables(app: Flask) -> set[str]:
    with app.app_context():
        return set(inspect(db.engine).get_table_names()) - {"alembic_version", "link_changes"}


def test_there_is_one_head_and_one_base() -> None:
    scripts = ScriptDirectory(str(ROOT / "migrations"))
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


def test_every_revision_can_be_taken_back() -> None:
    for script in ScriptDirectory.from_config(_alembic()).walk_revisions():
        assert script.module.upgrade.__code__.co_code != script.module.downgrade.__code__.co_code
        assert script.doc, f"{script.path} does not say what it does"


@both_engines
def test_upgrade_check_downgrade_upgrade(make_app: AppFactory) -> None:
    app = make_app()
    wanted = set(db.metadata.tables)
    with app.app_context():
        flask_migrate.upgrade()
        assert tables(app) == wanted
        flask_migrate.check()  # exits where the models have what the migrations have not
        flask_migrate.downgrade(revision="base")
        assert tables(app) == set()
        flask_migrate.upgrade()
        flask_migrate.check()
    assert tables(app) == wanted


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_reads_refuses_to_write_after_migrations_and_after_one_that_failed(make_app: AppFactory) -> None:
    """They make their own session one that may write."""
    in_the_way = text("CREATE TABLE users (id int)")
    with make_app().app_context():
        with database.writing() as connection:
            connection.execute(in_the_way)
        with pytest.raises(DBAPIError, match="already exists"):
            flask_migrate.upgrade()
        with pytest.raises(DBAPIError, match="read-only"), database.reading() as connection:
            connection.execute(text("DROP TABLE users"))
        with database.writing() as connection:
            connection.execute(text("DROP TABLE users"))
        flask_migrate.upgrade()
        with pytest.raises(DBAPIError, match="read-only"), database.reading() as connection:
            connection.execute(text("DELETE FROM users"))


@both_engines
def test_uniques_and_accounts_are_counted_from_what_was_there(make_app: AppFactory) -> None:
    app = make_app()
    with app.app_context():
        flask_migrate.upgrade(revision="0001")
        with database.writing() as connection:
            for statement in _first_clicks(connection.dialect.name):
                connection.exec_driver_sql(statement)
        flask_migrate.upgrade()
        with database.reading() as connection:
            links = "SELECT link_id, humans, bots, uniques FROM click_counts ORDER BY link_id, quarter"
            accounts = "SELECT owner_id, humans, bots, uniques FROM account_counts ORDER BY quarter"
            assert connection.execute(text(links)).all() == [(1, 3, 1, 2), (1, 1, 0, 1), (2, 1, 0, 1)]
            assert connection.execute(text(accounts)).all() == [(1, 4, 1, 3), (1, 1, 0, 1)]
            assert connection.execute(text("SELECT clicks FROM account_facets")).all() == [(5,)]
        flask_migrate.downgrade(revision="0001")
        with database.reading() as connection:
            assert connection.scalar(text("SELECT sum(humans + bots) FROM click_counts")) == 6


# Ada twice and Bea once in one hour, with a bot; Ada again on the next day; Ada on another link.
_NOON, _LATER, _NEXT_DAY = (
    f"2026-05-0{day} 12:{minute}:00.000000" for day, minute in ((1, 10), (1, 20), (2, 10))
)
_ADA, _BEA = "x'0000000000000001'", "x'0000000000000002'"
_CLICKS = (
    (1, _NOON, _ADA, False),
    (1, _LATER, _ADA, False),
    (1, _LATER, _BEA, False),
    (1, _LATER, _BEA, True),
    (1, _NEXT_DAY, _ADA, False),
    (2, _NOON, _ADA, False),
)


def _first_clicks(engine: str) -> list[str]:
    """What stood in the database before there were uniques."""
    hours = ((1, "2026-05-01 12", 3, 1), (1, "2026-05-02 12", 1, 0), (2, "2026-05-01 12", 1, 0))
    visitors = {name: name if engine == "sqlite" else f"'\\{name[0]}{name[2:]}" for name in (_ADA, _BEA)}
    return [
        "INSERT INTO users (id, public_id, role, status, created_at, updated_at) "
        f"VALUES (1, 'usr_1', 'user', 'active', '{_NOON}', '{_NOON}')",
        *(
            "INSERT INTO links (id, domain_id, code, owner_id, url, redirect_status, forward_query, enabled, "
            f"clicks_used, created_at, updated_at, version) VALUES ({link}, 1, 'c{link}', 1, 'https://a.example/', "
            f"302, false, true, 0, '{_NOON}', '{_NOON}', 1)"
            for link in (1, 2)
        ),
        *(
            "INSERT INTO clicks (link_id, at, visitor, address, country, browser, os, device, bot, referrer, query) "
            f"VALUES ({link}, '{at}', {visitors[visitor]}, '', '', '', '', '', {str(bot).lower()}, '', '')"
            for link, at, visitor, bot in _CLICKS
        ),
        *(
            "INSERT INTO click_counts (link_id, hour, humans, bots, prefetches, last_at) "
            f"VALUES ({link}, '{hour}:00:00.000000', {humans}, {bots}, 0, '{hour}:20:00.000000')"
            for link, hour, humans, bots in hours
        ),
        *(
            "INSERT INTO click_facets (link_id, day, dimension, value, clicks) "
            f"VALUES ({link}, '2026-05-01', 'country', 'DE', {clicks})"
            for link, clicks in ((1, 3), (2, 2))
        ),
    ]


@both_engines
def test_addresses_are_keyed_anew_and_back(make_app: AppFactory) -> None:
    app = make_app()
    keys = text("SELECT email_key FROM users WHERE email IS NOT NULL ORDER BY id")
    user = (
        "INSERT INTO users (id, public_id, role, status, email, email_key, created_at, updated_at, version) "
    )
    rest = f"'{_NOON}', '{_NOON}', 1)"
    with app.app_context():
        flask_migrate.upgrade(revision="0016")
        with database.writing() as connection:
            for number, email in enumerate(("Ada@example.org", "Ceo@straße.de", "a@bücher.example"), 1):
                who = f"VALUES ({number}, 'usr_{number}', 'user', 'active', '{email}', '{email.casefold()}', "
                connection.exec_driver_sql(user + who + rest)
            connection.exec_driver_sql(user + "VALUES (8, 'usr_8', 'user', 'closed', NULL, NULL, " + rest)
        flask_migrate.upgrade()
        with database.writing() as connection:
            new = ["ada@example.org", "ceo@xn--strae-oqa.de", "a@xn--bcher-kva.example"]
            assert connection.scalars(keys).all() == new
            other = "VALUES (9, 'usr_9', 'user', 'active', 'ceo@strasse.de', 'ceo@strasse.de', "
            connection.exec_driver_sql(user + other + rest)
        flask_migrate.downgrade(revision="0016")
        with database.reading() as connection:
            # The place of the old key is taken by now.
            assert connection.scalars(keys).all() == [new[0], new[1], "a@bücher.example", "ceo@strasse.de"]
        flask_migrate.upgrade()


@both_engines
def test_who_takes_hours_back_takes_none_for_summed_afterwards(make_app: AppFactory) -> None:
    app = make_app()
    with app.app_context():
        flask_migrate.upgrade()
        with database.writing() as connection:
            for table in ("click_counts", "account_counts", "click_facets"):
                monday = "2026-05-25"
                columns = "facets, subject_id, passed, here, ahead"
                values = f"'{table}', 0, '{monday}', '{monday}', '{monday}'"
                connection.execute(text(f"INSERT INTO summed_weeks ({columns}) VALUES ({values})"))
        flask_migrate.downgrade(revision="0019")
        with database.reading() as connection:
            assert list(connection.scalars(text("SELECT facets FROM summed_weeks"))) == ["click_facets"]


@both_engines
def test_default_domain_is_a_row_and_the_only_one_without_a_host(make_app: AppFactory) -> None:
    app = make_app()
    with app.app_context():
        flask_migrate.upgrade()
        with database.reading() as connection:
            assert connection.execute(text("SELECT id, host FROM domains")).all() == [(1, None)]
        with pytest.raises(IntegrityError), database.writing() as connection:
            connection.execute(text("INSERT INTO domains (id, host) VALUES (2, NULL)"))
        with pytest.raises(IntegrityError), database.writing() as connection:
            connection.execute(text("UPDATE domains SET host = 'other.example' WHERE id = 1"))


@both_engines
def test_new_rows_get_ids_of_their_own(make_app: AppFactory) -> None:
    """The row of the default domain has taken the first id of the sequence."""
    app = make_app()
    with app.app_context():
        flask_migrate.upgrade()
        with database.writing() as connection:
            connection.execute(text("INSERT INTO domains (host) VALUES ('go.example')"))
        with database.reading() as connection:
            assert connection.scalar(text("SELECT count(*) FROM domains")) == 2


@both_engines
def test_database_without_migrations_is_not_ready_and_says_so(make_app: AppFactory) -> None:
    app = make_app()
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 503
    [detail] = answer.json["error"]["details"]
    assert detail["field"] == "migrations"
    assert "nothing" in detail["message"]


def _alembic() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    return config


@pytest.mark.asvs("13.3.2")
def test_a_new_sqlite_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    umask = os.umask(0o022)
    try:
        app = create_app(load(environment(f"sqlite:///{tmp_path}/new/slugline.db", tmp_path)))
        with app.app_context():
            flask_migrate.upgrade()
            db.engine.dispose()
    finally:
        os.umask(umask)
    modes = {file.name: file.stat().st_mode & 0o077 for file in (tmp_path / "new").iterdir()}
    assert "slugline.db" in modes
    assert set(modes.values()) == {0}


@both_engines
def test_what_no_model_knows_is_there(make_app: AppFactory) -> None:
    """`flask db check` leaves it out (migrations/env.py): on SQLite a table that is made anew loses it unseen."""
    app = make_app()
    with app.app_context():
        flask_migrate.upgrade()
        if db.engine.dialect.name == "postgresql":
            query = "SELECT indexname FROM pg_indexes UNION SELECT tgname FROM pg_trigger"
            triggers = {"notify_of_link", "notify_of_domains", *AUDIT}
        else:
            query = "SELECT name FROM sqlite_master"
            triggers = {
                "link_made",
                "link_changed",
                "domain_made",
                "domain_changed",
                "domain_removed",
                *AUDIT,
            }
        with database.reading() as connection:
            names = set(connection.scalars(text(query)))
    assert {"ix_links_owner_id_title", *triggers} - names == set()
