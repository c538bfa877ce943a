"""The rule for rows in hand and the rule for rows in the database are one."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import insert, select

from app import database
from app.links.models import Link
from app.links.states import State, has_state, state_of
from tests.conftest import Caller
from tests.making import internal_id

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CHOICES: dict[str, list[Any]] = {
    "blocked_reason": [None, "phishing"],
    "deleted_at": [None, NOW],
    "enabled": [True, False],
    "starts_at": [None, NOW - SECOND, NOW, NOW + SECOND],
    "expires_at": [None, NOW, NOW + 2 * SECOND],
    "limit": [(None, 0), (None, 9), (5, 4), (5, 5), (5, 6)],
}


def rows(owner_id: int) -> list[dict[str, Any]]:
    """Every combination that the database lets in."""
    found = []
    for values in itertools.product(*CHOICES.values()):
        row = dict(zip(CHOICES, values, strict=True))
        row["max_clicks"], row["clicks_used"] = row.pop("limit")
        if row["starts_at"] and row["expires_at"] and row["starts_at"] >= row["expires_at"]:
            continue
        made = {"owner_id": owner_id, "url": "https://example.com/", "created_at": NOW, "updated_at": NOW}
        found.append({**row, **made, "code": f"c{len(found)}"})
    return found


def test_each_state_is_the_same_in_python_and_in_sql(app: Flask, alice: Caller) -> None:
    links = rows(internal_id(app, alice))
    expected = {link["code"]: state_of(Link(**link), NOW) for link in links}
    assert set(expected.values()) == set(State)
    with app.app_context(), database.writing() as connection:
        connection.execute(insert(Link), links)
        found = {
            code: wanted
            for wanted in State
            for code in connection.scalars(select(Link.code).where(has_state(wanted, NOW)))
        }
        overlapping = sum(
            len(connection.execute(select(Link.id).where(has_state(wanted, NOW))).all()) for wanted in State
        )
    assert found == expected
    assert overlapping == len(links)
