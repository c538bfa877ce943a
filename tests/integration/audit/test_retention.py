"""Old events are deleted from the beginning of the chain, and the rest can be verified."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app import clock, database
from app.audit import chain, pacing, retention
from app.audit.chain import ChainBroken
from app.audit.models import AuditEvent
from tests.integration.audit.conftest import Tamper, faults, head, record, sealed
from tests.making import let_pass

OLD, YOUNG = ("a", "b", "c"), ("d", "e")


@pytest.fixture(autouse=True)
def some_old(context: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as then:
        long_ago = clock.now() - timedelta(days=401)
        then.setattr(clock, "now", lambda: long_ago)
        sealed(*OLD)
    sealed(*YOUNG)


def subjects() -> list[str | None]:
    with database.reading() as connection:
        return list(connection.scalars(select(AuditEvent.subject).order_by(AuditEvent.id)))


@pytest.mark.asvs("14.2.7")
def test_old_ones_go_and_the_rest_can_be_verified() -> None:
    before = head()
    retention.forget_events()
    assert subjects() == [*YOUNG]
    assert (faults(), head()) == ([], before)
    sealed("f")
    assert faults(before) == []


def test_a_little_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_ROWS", 1)
    monkeypatch.setattr(pacing, "_TRANSACTIONS", 2)
    retention.forget_events()
    assert (subjects(), faults()) == (["c", *YOUNG], [])
    retention.forget_events()
    assert (subjects(), faults()) == ([*YOUNG], [])


def test_all_may_go(monkeypatch: pytest.MonkeyPatch) -> None:
    before = head()
    let_pass(monkeypatch, days=500)
    retention.forget_events()
    assert (subjects(), faults(before), head()) == ([], [], before)
    sealed("f")
    assert (subjects(), faults(before)) == (["f"], [])


def test_unsealed_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    record("f")
    let_pass(monkeypatch, days=500)
    retention.forget_events()
    assert (subjects(), faults()) == (["f"], [])


def test_zero_days_keep_all(app: Flask) -> None:
    app.config["AUDIT_KEPT_DAYS"] = 0
    retention.forget_events()
    assert subjects() == [*OLD, *YOUNG]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET action = 'x' WHERE subject = 'b'",
        "UPDATE audit_events SET at = '2020-01-01 00:00:00.000000' WHERE subject = 'd'",
        "DELETE FROM audit_events WHERE subject = 'b'",
    ],
)
def test_fault_is_not_deleted_unseen(tamper: Tamper, statement: str) -> None:
    """Nor is an event made old to have it deleted."""
    tamper(statement)
    left = subjects()
    with pytest.raises(ChainBroken):
        retention.forget_events()
    assert subjects() == left
    assert faults() != []


def test_what_was_deleted_for_its_age_is_known_by_its_last_seal() -> None:
    retention.forget_events()
    with database.reading() as connection:
        found = chain.read(connection)
    assert (found.pruned_seq, found.sealed_seq) == (3, 5)
    assert faults(found.pruned_hash.hex()) == []
