"""No table is forgotten: what names a user is carried away by an export and gone with a closed account, or stands
here with its reason."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Table, event, or_, select

from app import database
from app.accounts.principals import SignedIn, authenticate
from app.clicks import own_data
from app.extensions import db
from tests.belongings import CANARIES, Belongings, settle
from tests.making import internal_id
from tests.security.canaries import _text, leaks

NOT_EXPORTED = {
    "stored_answers": "answers that the caller was given, kept for a day, about links that are in it",
    "sign_in_flows": "a hash and the way back of a sign-in that was begun, for ten minutes",
    "account_counts": "sums of what is in it of each link; GET /stats/export has them by hour",
    "account_facets": "sums over visitors; GET /stats/export has them",
    "account_facet_weeks": "sums of account_facets",
    "account_hours": "sums of account_counts",
    "stats_versions": "a number that says whether remembered statistics still hold",
}
STAYS = {
    "users": "the row, so that its id never comes back; its personal columns are empty (app/links/closing.py)",
    "links": "the codes, so that nobody gives an old short URL a new target (contract); all else is empty",
    "audit_events": "what happened, by opaque ids that nobody can tell the person by any more (ADR 14)",
    "account_counts": "counts of visitors, which `flask clicks verify` holds against those of links",
    "account_facets": "as account_counts",
    "account_facet_weeks": "as account_counts",
    "account_hours": "as account_counts",
    "stats_versions": "a number beside an id",
    "outgoing_mails": "the letter that tells of it, sealed, until it is sent, a day at most (ADR 22)",
}
NAMES = {"user_id", "owner_id", "owner", "actor", "caller"}


def naming_columns(table: Table) -> list[Any]:
    """The columns that say whose a row is."""
    return [
        column
        for column in table.columns
        if column.name in NAMES or any(key.column.table.name == "users" for key in column.foreign_keys)
    ]


NAMING = {
    table.name: table for table in db.metadata.sorted_tables if table.name == "users" or naming_columns(table)
}


@pytest.fixture
def ada(app: Flask) -> Belongings:
    return settle(app)


def rows_of(app: Flask, names: set[Any]) -> dict[str, int]:
    """How many rows name one of these ids, by table."""
    with app.app_context(), database.reading() as connection:
        found = {}
        for name, table in NAMING.items():
            columns = [table.c.public_id] if name == "users" else naming_columns(table)
            # An id is a number in some columns and text in others.
            own = (
                column.in_([n for n in names if isinstance(n, column.type.python_type)]) for column in columns
            )
            found[name] = len(connection.execute(select(table).where(or_(*own))).all())
        return found


def dump(app: Flask) -> str:
    """Every value of every table."""
    with app.app_context(), database.reading() as connection:
        rows = [row for table in db.metadata.sorted_tables for row in connection.execute(select(table))]
        return "\n".join(_text(value) for row in rows for value in row)


def tables_read(principal: SignedIn) -> Iterator[str]:
    """The tables that an export reads, whoever is let in."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        for value in vars(own_data.of(principal)).values():
            list(value) if isinstance(value, Iterator) else None
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    words = set(re.findall(r"\w+", " ".join(seen)))
    yield from (name for name in NAMING if name in words)


def test_every_table_that_names_a_user_is_exported_or_has_its_reason(app: Flask, ada: Belongings) -> None:
    with app.app_context():
        principal = authenticate(str(ada.owner.token))
        assert set(NAMING) - set(tables_read(principal)) == set(NOT_EXPORTED)


def test_closed_account_leaves_no_row_but_those_with_a_reason(app: Flask, ada: Belongings) -> None:
    names = {internal_id(app, ada.owner), ada.owner.id}
    before = rows_of(app, names)
    assert [name for name, count in before.items() if count == 0] == [], (
        "nothing to be left: add to belongings"
    )
    assert ada.owner.delete("/users/me").status_code == 204
    assert {name for name, count in rows_of(app, names).items() if count} == set(STAYS)


def test_closed_account_leaves_nothing_that_tells_of_its_person(app: Flask, ada: Belongings) -> None:
    assert leaks(dump(app), CANARIES) == set(CANARIES), "nothing was looked at"
    assert ada.owner.delete("/users/me").status_code == 204
    assert leaks(dump(app), CANARIES) == set()
    assert ada.owner.client.get("/s/ada-blocked").status_code == 451
