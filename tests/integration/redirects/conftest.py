"""Links as rows, and the spool as a list: what a test of the visitors' door needs on both sides of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, select, update

from app import clock, database
from app.accounts import passwords
from app.accounts.models import User
from app.clicks.line import ClickLine, decode
from app.ids import opaque_id
from app.links.models import Domain, Link
from tests.integration.redirects.made import TARGET, ClicksUsed, LinkFactory, Made, Spooled


@pytest.fixture
def make_link(app: Flask) -> LinkFactory:
    """Make a link: ``make_link("code", max_clicks=5)``; `password` in clear, `host` of a domain that is there."""
    with app.app_context(), database.writing() as connection:
        now = clock.now()
        owner = {"public_id": opaque_id("usr"), "created_at": now, "updated_at": now}
        owner_id = connection.execute(insert(User).values(owner).returning(User.id)).scalar_one()

    def make(code: str, password: str | None = None, host: str | None = None, **columns: Any) -> Made:
        row = {
            "code": code,
            "owner_id": owner_id,
            "url": TARGET,
            "created_at": now,
            "updated_at": now,
        } | columns
        with app.app_context():
            if password is not None:
                row["password_hash"] = passwords.hashed(password)
            with database.writing() as connection:
                if host is not None:
                    row["domain_id"] = connection.scalar(select(Domain.id).where(Domain.host == host))
                link_id = connection.execute(insert(Link).values(row).returning(Link.id)).scalar_one()
        return Made(link_id, code)

    return make


@pytest.fixture
def change_link(app: Flask) -> Callable[..., None]:
    """Change columns of a link behind everybody's back."""

    def change(link_id: int, **columns: Any) -> None:
        with app.app_context(), database.writing() as connection:
            connection.execute(update(Link).where(Link.id == link_id).values(columns))

    return change


@pytest.fixture
def clicks_used(app: Flask) -> ClicksUsed:
    """How many clicks of a link are spent, as a new connection sees it."""

    def used(link_id: int) -> int:
        with app.app_context(), database.reading() as connection:
            return connection.execute(select(Link.clicks_used).where(Link.id == link_id)).scalar_one()

    return used


@pytest.fixture
def spooled(app: Flask) -> Spooled:
    """Everything that was recorded so far, oldest first."""

    def lines() -> list[ClickLine]:
        files = sorted(Path(app.config["SPOOL_DIR"]).glob("*.spool"))
        return [decode(line) for file in files for line in file.read_bytes().splitlines()]

    return lines


@pytest.fixture
def browser(client: FlaskClient) -> FlaskClient:
    """A client that says what browsers say."""
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
    client.environ_base["HTTP_USER_AGENT"] = agent
    client.environ_base["HTTP_ACCEPT"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    return client
