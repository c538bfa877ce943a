"""SQLite's write-ahead log: who writes it back to the database."""

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import make_url, text

from app import database
from app.clicks.checkpoints import Checkpoints
from tests.conftest import Caller

LARGE = 6_000_000  # bytes; SQLite by itself would write them back in the commit


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_others_commit_is_written_back_by_the_worker_and_not_before(
    app: Flask, alice: Caller, database_url: str
) -> None:
    file = Path(make_url(database_url).database or "")
    before = file.stat().st_size
    with app.app_context():
        with database.writing() as connection:
            connection.execute(text("UPDATE users SET name = :name"), {"name": "x" * LARGE})
        assert file.stat().st_size < before + LARGE
        Checkpoints().catch_up()
        assert file.stat().st_size > LARGE
