"""Rows that are written past SQLAlchemy's types are the rows that its types would write."""

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, make_url, text

from app import database
from app.clicks.agents import agent_facts
from app.clicks.bulk import add_all
from app.clicks.ingest import Ingester
from app.clicks.line import ClickLine, encode
from app.clicks.models import Click, ClickCount, ClickFacet, DailyVisitor
from app.database import table_of
from app.extensions import db
from tests.integration.clicks.conftest import AT, FIREFOX, Finished, drain
from tests.integration.clicks.rolled import line, table

HOSTILE = "\t\\N \\x00 \r '\" {a,b} \ufffd \U0001f600"


def as_stored(model: Any, link_id: int) -> list[tuple[Any, ...]]:
    """Rows as the driver reads them, without SQLAlchemy's types, ids and links."""
    names = [
        column.name for column in model.__table__.columns if column.name not in ("id", "link_id", "owner_id")
    ]
    sqlite = db.engine.dialect.name == "sqlite"
    cells = [f"typeof({name}), quote({name})" if sqlite else f"CAST({name} AS text)" for name in names]
    with database.reading() as connection:
        rows = connection.exec_driver_sql(
            f"SELECT {', '.join(cells)} FROM {model.__tablename__} WHERE link_id = {link_id}"
        )
        return sorted(tuple(row) for row in rows)


def test_rows_are_stored_as_the_models_would_store_them(ingester: Ingester, finished: Finished) -> None:
    at = AT + timedelta(minutes=7, milliseconds=7)
    raw = ClickLine(
        (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1),
        1,
        "click",
        "fedcba9876543210",
        "193.99.144.0/24",
        FIREFOX,
        "https://a.example/",
        HOSTILE,
    )
    finished([encode(raw), line(link_id=1, at=AT - timedelta(days=1), kind="prefetch")])
    drain(ingester)
    visitor = bytes.fromhex(raw.visitor)
    agent = agent_facts(FIREFOX)
    facts = {"country": "DE", "browser": agent.browser, "os": agent.os, "device": agent.device}
    values = {**facts, "referrer": "a.example"}
    key, start = {"link_id": 2}, at.replace(minute=30, second=0, microsecond=0)
    with database.writing() as connection:
        connection.execute(
            insert(Click),
            {
                **key,
                "at": at,
                "visitor": visitor,
                "address": raw.address,
                "bot": False,
                "query": HOSTILE,
                **values,
            },
        )
        connection.execute(
            insert(ClickCount), {**key, "quarter": start, "humans": 1, "uniques": 1, "last_at": at}
        )
        before = start - timedelta(days=1)
        connection.execute(insert(ClickCount), {**key, "quarter": before, "prefetches": 1, "last_at": None})
        rows = [{"dimension": name, "value": value, "clicks": 1} for name, value in values.items()]
        connection.execute(insert(ClickFacet), [{**key, "day": at.date(), **row} for row in rows])
        number = int.from_bytes(visitor, "big", signed=True)
        connection.execute(insert(DailyVisitor), {**key, "day": at.date(), "visitor": number})
    for model in (Click, ClickCount, ClickFacet, DailyVisitor):
        assert as_stored(model, 1) == as_stored(model, 2) != []


def test_any_text_is_kept_as_it_is_in_a_roll_up(app: Flask) -> None:
    spelt = ["", "null", "NULL", "{}", "\\u0041", "\\\\n"]
    given = [HOSTILE, *spelt, *(f"a{chr(code)}b" for code in range(1, 128))]
    rows = [(1, "2026-03-01", "browser", value, 1) for value in given]
    with database.writing() as connection:
        add_all(connection, table_of(ClickFacet), rows)
        add_all(connection, table_of(ClickFacet), rows)
    assert table(ClickFacet) == {(1, date(2026, 3, 1), "browser", value): (2,) for value in given}


def test_times_are_utc_whatever_the_sessions_zone(app: Flask, ingester: Ingester, finished: Finished) -> None:
    with database.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(
                text(f"ALTER DATABASE {connection.engine.url.database} SET TIME ZONE 'Asia/Tokyo'")
            )
    db.engine.dispose()
    try:
        finished([line()])
        drain(ingester)
        assert table(ClickCount) == {(1, AT): (1, 0, 0, 1, AT)}
        assert [row[1] for row in table(Click).values()] == [AT]
    finally:
        with database.writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"ALTER DATABASE {connection.engine.url.database} RESET TIME ZONE"))
        db.engine.dispose()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_write_ahead_log_is_written_back_after_a_batch(
    app: Flask, ingester: Ingester, finished: Finished, tmp_path: Path
) -> None:
    file = str(make_url(app.config["SQLALCHEMY_DATABASE_URI"]).database)
    path = finished([line()])
    drain(ingester)
    with closing(sqlite3.connect(shutil.copy(file, tmp_path / "without-its-log.db"))) as connection:
        assert connection.execute("SELECT count(*) FROM clicks").fetchone() == (1,)
        moved = connection.execute("SELECT count(*) FROM spool_positions WHERE file = ?", [path.name])
        assert moved.fetchone() == (1,)
