"""What closing an account leaves behind."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app import database
from app.accounts.models import Session, User
from app.errors import NotFound
from app.extensions import db
from app.links import closing
from app.links.models import Tag, link_tags
from tests.conftest import PASSWORD, Caller, sign_up
from tests.making import URL, events, internal_id, make_link, stored_link, stored_links


def count(app: Flask, table: Any, *conditions: Any) -> int:
    with app.app_context(), database.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(table).where(*conditions)) or 0)


def test_closed_account_leaves_nothing_that_its_owner_wrote_but_its_codes(
    app: Flask, alice: Caller, bob: Caller
) -> None:
    for code in ("one", "two"):
        make_link(alice, code=code, title="t", notes="n", tags=["hers"], password="secret")
    make_link(bob, code="his", title="his", tags=["hers"])
    alice.delete("/links/two")
    deleted_before = stored_link(app, "two")["deleted_at"]
    his = stored_link(app, "his")
    assert alice.delete("/users/me").status_code == 204

    with app.app_context(), database.reading() as connection:
        user = connection.execute(select(User.__table__).where(User.public_id == alice.id)).mappings().one()
    assert user["status"] == "closed"
    assert [user[name] for name in ("email", "email_key", "name", "password_hash")] == [None] * 4
    for code in ("one", "two"):
        row = stored_link(app, code)
        assert (row["url"], row["title"], row["notes"], row["password_hash"]) == ("", None, None, None)
        assert row["deleted_at"] is not None
        assert bob.post("/links", json={"url": URL, "code": code}).status_code == 409
        assert bob.client.get(f"/s/{code}").status_code == 410
    assert stored_link(app, "two")["deleted_at"] == deleted_before
    assert count(app, Session, Session.user_id == user["id"], Session.ended_at.is_(None)) == 0
    assert (count(app, Tag), count(app, link_tags)) == (1, 1)
    assert stored_link(app, "his") == his
    assert alice.get("/links").status_code == 401
    again = Caller(alice.client).post("/auth/register", json={"email": alice.email, "password": PASSWORD})
    assert again.status_code == 201
    assert again.json["id"] != alice.id


def test_links_made_while_the_account_closes_are_closed_with_it(app: Flask) -> None:
    for turn in range(3):
        caller = sign_up(app, f"leaver{turn}")
        together = Barrier(5)

        def create(_: int, token: str | None = caller.token, together: Barrier = together) -> set[int]:
            own = Caller(app.test_client(), token=token)
            together.wait()
            return {own.post("/links", json={"url": URL, "tags": ["x"]}).status_code for _ in range(5)}

        def close(token: str | None = caller.token, together: Barrier = together) -> int:
            own = Caller(app.test_client(), token=token)
            together.wait()
            return own.delete("/users/me").status_code

        with ThreadPoolExecutor(5) as threads:
            closed = threads.submit(close)
            statuses = set().union(*threads.map(create, range(4)))
            assert closed.result() == 204
        assert statuses <= {201, 401}
        assert create(0, together=Barrier(1)) == {401}
    assert [link["code"] for link in stored_links(app) if link["deleted_at"] is None or link["url"]] == []
    assert count(app, Tag) == 0


def test_closing_twice_is_harmless(app: Flask, alice: Caller) -> None:
    user_id = internal_id(app, alice)
    with app.app_context():
        closing.close_account(user_id)
        with pytest.raises(NotFound):
            closing.close_account(user_id)
        db.session.commit()
    assert len(events(app, "user.closed")) == 1
