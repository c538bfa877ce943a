"""POST /cache/invalidate, and who is told what was remembered."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import insert, update

from app import create_app, database
from app.clicks.models import AccountCount, ClickCount
from app.extensions import db
from config import load
from tests.conftest import Caller
from tests.making import internal_id, make_link, set_role, stored_link

RANGE = "from=2026-04-01T00:00:00Z&to=2026-04-02T00:00:00Z"
QUARTER = datetime(2026, 4, 1, 10, tzinfo=UTC)


@pytest.fixture
def counted(app: Flask, alice: Caller) -> None:
    """A link of Alice's, and one click."""
    make_link(alice, code="seen")
    count = {"quarter": QUARTER, "humans": 1, "bots": 0, "prefetches": 0, "uniques": 1}
    with app.app_context(), database.writing() as connection:
        link_id = stored_link(app, "seen")["id"]
        connection.execute(insert(ClickCount), [{"link_id": link_id, **count}])
        connection.execute(insert(AccountCount), [{"owner_id": internal_id(app, alice), **count}])


def repair(app: Flask, humans: int) -> None:
    """Change the roll-ups by hand."""
    with app.app_context(), database.writing() as connection:
        for model in (ClickCount, AccountCount):
            connection.execute(update(model).values(humans=humans))


def told(caller: Caller) -> list[int]:
    return [
        caller.get(f"/links/seen/stats?{RANGE}").json["totals"]["humans"],
        caller.get(f"/stats?{RANGE}").json["totals"]["humans"],
        caller.get("/links/seen?embed=clicks").json["clicks"]["humans"],
    ]


@pytest.mark.usefixtures("counted")
def test_everything_is_read_anew_in_every_process(
    app: Flask, alice: Caller, bob: Caller, settings: dict[str, str]
) -> None:
    set_role(app, bob, "admin")
    process = create_app(load(settings))
    elsewhere = Caller(process.test_client(), token=alice.token)
    assert [told(alice), told(elsewhere)] == [[1] * 3] * 2
    repair(app, 7)
    assert [told(alice), told(elsewhere)] == [[1] * 3] * 2
    answer = bob.post("/cache/invalidate")
    assert (answer.status_code, answer.data) == (204, b"")
    assert [told(alice), told(elsewhere)] == [[7] * 3] * 2
    with process.app_context():
        db.engine.dispose()


@pytest.mark.parametrize(("role", "status"), [("user", 403), ("manager", 403), ("admin", 204)])
def test_it_is_for_admins(app: Flask, alice: Caller, role: str, status: int) -> None:
    set_role(app, alice, role)
    assert alice.post("/cache/invalidate").status_code == status


@pytest.mark.usefixtures("counted")
def test_others_are_told_nothing_of_what_is_remembered(alice: Caller, bob: Caller) -> None:
    assert told(alice) == [1] * 3
    assert bob.get(f"/links/seen/stats?{RANGE}").status_code == 404
    assert bob.get("/links/seen?embed=clicks").status_code == 404
    assert bob.get(f"/stats?{RANGE}").json["totals"]["humans"] == 0


@pytest.mark.usefixtures("counted")
def test_a_deleted_link_has_no_statistics_and_a_restored_one_has_them_again(alice: Caller) -> None:
    assert told(alice) == [1] * 3
    alice.delete("/links/seen")
    assert alice.get(f"/links/seen/stats?{RANGE}").status_code == 404
    alice.post("/links/seen/restore")
    assert told(alice) == [1] * 3


@pytest.mark.usefixtures("counted")
def test_metrics_tell_how_often_it_was_worth_it(alice: Caller) -> None:
    def counts(outcome: str) -> float:
        text = alice.client.get("/metrics").text
        line = f'slugline_cache_reads_total{{cache="facets",outcome="{outcome}"}} '
        return sum(float(found.removeprefix(line)) for found in text.splitlines() if found.startswith(line))

    before = counts("miss"), counts("hit")
    for _ in range(3):
        alice.get(f"/stats?{RANGE}")
    assert (counts("miss"), counts("hit")) == (before[0] + 1, before[1] + 2)
    text = alice.client.get("/metrics").text
    for name in ("entries", "bytes"):
        assert f"\nslugline_cache_{name} " in text
