"""Events, their seals, and somebody who has the database but not the key."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest
from flask import Flask
from sqlalchemy import func, select

from app import database
from app.audit import sealing, trail
from app.audit.models import AuditSeal
from app.audit.verifying import verify
from app.extensions import db

Tamper = Callable[..., None]


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    """The noun needs an application context, and no more of the application."""
    with app.app_context():
        yield


@pytest.fixture
def tamper(app: Flask) -> Tamper:
    """Run statements past triggers and foreign keys, as whoever owns the database can."""
    url = db.engine.url

    def on_postgresql(*statements: str) -> None:
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                connection.execute(statement.encode())

    def on_sqlite(*statements: str) -> None:
        triggers = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_events'"
        with closing(sqlite3.connect(str(url.database))) as connection, connection:
            found = connection.execute(triggers).fetchall()
            for name, _ in found:
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                connection.execute(statement)
            for _, again in found:
                connection.execute(again)

    return on_postgresql if db.engine.dialect.name == "postgresql" else on_sqlite


def record(*subjects: str) -> None:
    """An event of each subject, committed."""
    for subject in subjects:
        trail.record("thing.done", subject, owner=None, after={"number": 1})
    db.session.commit()


def sealed(*subjects: str) -> None:
    record(*subjects)
    sealing.seal()


def seals() -> int:
    with database.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(AuditSeal)) or 0)


def faults(expected: str = "") -> list[str]:
    return verify(expected).faults


def head() -> str:
    return verify().head
