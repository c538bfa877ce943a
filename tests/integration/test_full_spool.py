"""A spool that has reached its bound: visitors are answered, and clicks count again once the worker made room."""

import time

from flask import Flask
from sqlalchemy import select

from app import database
from app.clicks.countries import countries
from app.clicks.ingest import Ingester
from app.clicks.models import Click
from app.clicks.recorder import recorder
from tests.conftest import AppFactory, Caller
from tests.integration.clicks.conftest import FIREFOX, drain
from tests.making import make_link


def visit(app: Flask, query: str) -> int:
    return app.test_client().get(f"/s/full?{query}", headers={"User-Agent": FIREFOX}).status_code


def test_redirects_answer_past_the_bound_and_recording_resumes(make_app: AppFactory, alice: Caller) -> None:
    make_link(alice, code="full")
    app = make_app(SPOOL_LIMIT_BYTES="700")
    directory = app.config["SPOOL_DIR"]
    with app.app_context():
        spool = recorder().spool
    asked = [f"visit={number}" for number in range(10)]
    assert [visit(app, query) for query in asked] == [302] * 10
    assert 0 < spool.lost < 10
    kept = asked[: 10 - spool.lost]
    with app.app_context(), Ingester(directory, countries()) as ingester:
        drain(ingester)
        assert list(directory.glob("*.spool")) == []
        time.sleep(1.05)  # the spool looks once a second
        assert visit(app, "again") == 302
        drain(ingester)
        with database.reading() as connection:
            assert list(connection.scalars(select(Click.query).order_by(Click.id))) == [*kept, "again"]
