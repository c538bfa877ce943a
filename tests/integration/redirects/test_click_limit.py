"""`max_clicks`: every answer that carries the target spends one, exactly, however many come at once."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app import clock, database
from app.links import visits
from app.links.models import Link
from tests.e2e.processes import PATIENCE
from tests.integration.redirects.made import PASSWORD, TARGET, ClicksUsed, LinkFactory, Spooled

VISITORS = 16
LIMIT = 5
CLOSING: list[tuple[dict[str, Any], str]] = [
    ({"deleted_at": clock.now()}, "LINK_DELETED"),
    ({"blocked_reason": "phishing"}, "BLOCKED"),
    ({"enabled": False}, "LINK_DISABLED"),
    ({"expires_at": clock.now()}, "LINK_EXPIRED"),
    ({"clicks_used": 5}, "LINK_EXHAUSTED"),
]


def visit_at_once(app: Flask, path: str, **options: Any) -> list[tuple[int, str | None]]:
    """Let VISITORS open `path` at the same moment; return status and Location of each."""
    together = threading.Barrier(VISITORS)

    def visit(_: int) -> tuple[int, str | None]:
        client = app.test_client()
        together.wait(PATIENCE)
        response = client.open(path, **options)
        return response.status_code, response.headers.get("Location")

    with ThreadPoolExecutor(VISITORS) as visitors:
        return list(visitors.map(visit, range(VISITORS)))


@pytest.mark.asvs("2.3.4", "15.4.2")
def test_sixteen_visitors_at_once_get_five_redirects(
    app: Flask, make_link: LinkFactory, clicks_used: ClicksUsed, spooled: Spooled
) -> None:
    link = make_link("abc", max_clicks=LIMIT)
    answers = visit_at_once(app, "/s/abc", headers={"Accept": "application/json"})
    assert Counter(answers) == {(302, TARGET): LIMIT, (410, None): VISITORS - LIMIT}
    assert clicks_used(link.id) == LIMIT
    assert len(spooled()) == LIMIT


def test_sixteen_right_passwords_at_once_get_five_redirects(
    app: Flask, make_link: LinkFactory, clicks_used: ClicksUsed, spooled: Spooled
) -> None:
    app.config["GUESSES_LINK"] = ""
    app.config["WEB_THREADS"] = 2 * VISITORS  # so that all of them may wait for their turn at hashing
    link = make_link("abc", PASSWORD, max_clicks=LIMIT)
    answers = visit_at_once(app, "/s/abc", method="POST", json={"password": PASSWORD})
    assert Counter(answers) == {(303, TARGET): LIMIT, (410, None): VISITORS - LIMIT}
    assert clicks_used(link.id) == LIMIT
    assert len(spooled()) == LIMIT


def test_negative_control_read_then_update_lets_all_through(
    app: Flask, make_link: LinkFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_have_read = threading.Barrier(VISITORS)

    def naive(link_id: int, _now: datetime) -> bool:
        with database.reading() as connection:
            left = connection.scalar(select(Link.max_clicks - Link.clicks_used).where(Link.id == link_id))
        all_have_read.wait(PATIENCE)
        with database.writing() as connection:
            connection.execute(
                update(Link).where(Link.id == link_id).values(clicks_used=Link.clicks_used + 1)
            )
        return bool(left)

    monkeypatch.setattr(visits, "spend", naive)
    make_link("abc", max_clicks=LIMIT)
    assert Counter(visit_at_once(app, "/s/abc")) == {(302, TARGET): VISITORS}


def test_last_click_is_gone_for_the_next_request(make_link: LinkFactory, client: FlaskClient) -> None:
    make_link("abc", max_clicks=1)
    assert client.get("/s/abc").status_code == 302
    response = client.get("/s/abc", headers={"Accept": "application/json"})
    assert (response.status_code, response.json["error"]["code"]) == (410, "LINK_EXHAUSTED")


def test_spending_is_no_edit(app: Flask, make_link: LinkFactory, client: FlaskClient) -> None:
    link = make_link("abc", max_clicks=2)
    columns = select(Link.version, Link.updated_at).where(Link.id == link.id)
    with app.app_context(), database.reading() as connection:
        before = connection.execute(columns).one()
    client.get("/s/abc")
    with app.app_context(), database.reading() as connection:
        assert connection.execute(columns).one() == before


def test_link_closed_between_read_and_spend_refuses(
    make_link: LinkFactory,
    change_link: Callable[..., None],
    client: FlaskClient,
    spooled: Spooled,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spend = visits.spend
    for number, (columns, code) in enumerate(CLOSING):
        make_link(f"abc{number}", max_clicks=5)

        def closed_just_before(link_id: int, now: datetime, columns: dict[str, Any] = columns) -> bool:
            change_link(link_id, **columns)
            return spend(link_id, now)

        monkeypatch.setattr(visits, "spend", closed_just_before)
        response = client.get(f"/s/abc{number}", headers={"Accept": "application/json"})
        assert response.json["error"]["code"] == code
    assert spooled() == []


def test_click_that_could_not_be_taken_is_no_redirect_even_if_the_link_is_open_again(
    make_link: LinkFactory,
    change_link: Callable[..., None],
    client: FlaskClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_link("abc", max_clicks=5)
    spend = visits.spend

    def closed_for_a_moment(link_id: int, now: datetime) -> bool:
        change_link(link_id, enabled=False)
        taken = spend(link_id, now)
        change_link(link_id, enabled=True)
        return taken

    monkeypatch.setattr(visits, "spend", closed_for_a_moment)
    assert client.get("/s/abc").status_code == 410
