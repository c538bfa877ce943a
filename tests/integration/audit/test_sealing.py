"""Sealing: each committed event once, whoever seals, and whoever is killed."""

import os
import signal
import threading

import pytest
from flask import Flask
from sqlalchemy import event, select
from sqlalchemy.exc import DBAPIError

from app import database
from app.audit import chain, sealing, trail
from app.audit.chain import ChainBroken
from app.audit.models import AuditEvent, AuditSeal
from app.audit.verifying import verify
from app.extensions import db
from tests.e2e.processes import PATIENCE, eventually
from tests.integration.audit.conftest import Tamper, faults, head, record, sealed, seals
from tests.unit.clicks.conftest import fork


def waiting() -> int:
    return verify().unsealed


def test_what_was_committed_is_sealed_once() -> None:
    record("a", "b")
    assert (waiting(), seals()) == (2, 0)
    sealing.seal()
    sealing.seal()
    assert (waiting(), seals()) == (0, 2)
    sealed("c")
    assert (seals(), faults()) == (3, [])


def test_what_was_rolled_back_is_not() -> None:
    trail.record("thing.done", "a", owner=None)
    db.session.flush()
    db.session.rollback()
    sealed("b")
    with database.reading() as connection:
        assert connection.scalars(select(AuditEvent.subject)).all() == ["b"]
    assert (seals(), faults()) == (1, [])


def test_many_are_sealed_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_EVENTS", 2)
    sealed("a", "b", "c", "d", "e")
    assert (seals(), waiting(), faults()) == (5, 0, [])


def test_thousands_that_were_stored_at_once_are_sealed() -> None:
    with database.writing() as connection:
        trail.record_all(connection, (trail.event("thing.done", f"s{n}", None) for n in range(1_200)))
    sealing.seal()
    assert (seals(), faults()) == (1_200, [])


@pytest.mark.asvs("16.4.2")
def test_database_refuses_to_change_an_event_and_to_delete_a_sealed_one() -> None:
    sealed("a")
    for statement in ("UPDATE audit_events SET action = 'x'", "DELETE FROM audit_events"):
        with pytest.raises(DBAPIError), database.writing() as connection:
            connection.exec_driver_sql(statement)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_commit_out_of_the_order_of_ids_is_not_missed() -> None:
    """PostgreSQL gives an id out before the commit; SQLite has one writer at a time."""
    with database.writing() as early:
        trail.record_all(early, [trail.event("thing.done", "early", None)])
        sealed("late")
        assert seals() == 1
    sealing.seal()
    with database.reading() as connection:
        ids = list(connection.scalars(select(AuditSeal.event_id).order_by(AuditSeal.seq)))
    assert ids == sorted(ids, reverse=True)
    assert (len(ids), faults()) == (2, [])


def test_two_workers_seal_each_event_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_EVENTS", 5)
    record(*map(str, range(200)))
    barrier = threading.Barrier(3)

    def work() -> None:
        with app.app_context():
            barrier.wait()
            while waiting():
                sealing.seal()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    barrier.wait()
    record(*map(str, range(200, 230)))  # meanwhile
    for worker in workers:
        worker.join(PATIENCE)
    sealing.seal()
    assert (seals(), faults()) == (230, [])


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_chain_that_another_worker_begins_meanwhile_is_not_broken(app: Flask) -> None:
    """After this one has found none, before it looks for seals without one; SQLite has one writer at a time."""
    record("a")
    begun: list[int] = []
    elsewhere: list[threading.Thread] = []

    def begin() -> None:
        with app.app_context():
            sealing.seal()
            begun.append(seals())

    def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "audit_chain.mac" in statement and not elsewhere:
            elsewhere.append(threading.Thread(target=begin))
            elsewhere[0].start()
            elsewhere[0].join()

    event.listen(db.engine, "after_cursor_execute", look)
    sealing.seal()
    event.remove(db.engine, "after_cursor_execute", look)
    assert (begun, seals(), faults()) == ([1], 1, [])


def test_worker_killed_between_batches_leaves_a_whole_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_EVENTS", 3)
    record(*map(str, range(150)))

    def work() -> None:
        db.engine.dispose(close=False)  # the parent's
        while True:
            sealing.seal()

    for least in (10, 60):
        pid = fork(work)
        eventually(lambda least=least: seals() >= least)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert faults() == []
    while waiting():
        sealing.seal()
    assert (seals(), faults()) == (150, [])


def test_chain_that_was_written_with_another_key_is_not_continued(app: Flask) -> None:
    sealed("a")
    app.config["SECRET_KEY"] = "another" * 8
    record("b")
    with pytest.raises(ChainBroken):
        sealing.seal()
    assert seals() == 1


def test_chain_whose_end_is_gone_is_not_begun_anew(tamper: Tamper) -> None:
    sealed("a")
    tamper("DELETE FROM audit_chain")
    record("b")
    with pytest.raises(ChainBroken):
        sealing.seal()


def test_operator_has_everything_sealed_anew_after_a_change_of_the_key(app: Flask) -> None:
    sealed("a", "b")
    before = head()
    app.config["SECRET_KEY"] = "another" * 8
    assert faults() != []
    result = app.test_cli_runner().invoke(args=["audit", "reseal", "--yes"])
    assert result.exit_code == 0, result.output
    sealing.seal()
    assert (seals(), faults()) == (3, [])  # and what the operator did
    assert before not in head()


def test_seal_is_the_same_whichever_engine_stores_the_event() -> None:
    """So that a log moved from SQLite to PostgreSQL stays sealed."""
    sealed("ä ☃")
    with database.reading() as connection:
        [row] = connection.execute(select(*chain.EVENT)).all()
    assert isinstance(row.after, dict)
    assert chain._bytes(row).startswith(f'[{row.id},"{row.public_id}",{int(row.at.timestamp())}'.encode())
