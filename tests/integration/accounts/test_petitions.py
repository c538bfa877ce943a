"""app/accounts/petitions.py: what the worker makes of them, whatever they hold."""

import json
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from app import clock, database, sealing
from app.accounts import petitions
from app.accounts.models import Petition, User
from app.audit import circumstances
from app.audit.circumstances import SYSTEM, Circumstances
from app.cli.worker import answer_petitions, close_never_verified
from app.extensions import db
from tests.conftest import PASSWORD, Caller
from tests.mailbox import REQUIRED, asked, subjects
from tests.making import events, set_column


def write(app: Flask, kind: str, **asked: object) -> None:
    """One as another release may have written it."""
    sealed = sealing.seal("petition", json.dumps(asked).encode())
    db.session.add(Petition(kind=kind, sealed=sealed, request_id=None, ip_prefix="", created_at=clock.now()))
    db.session.commit()


def waiting(app: Flask) -> int:
    with app.app_context(), database.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(Petition)) or 0)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("reset", {"email": "ada@example.org", "of another release": "x"}),
        ("email", {"email": "ada@example.org"}),
        ("no such kind", {}),
        ("register", {"email": "ada@example.org", "name": "n" * 9, "password_hash": {"not": "a text"}}),
    ],
)
def test_petition_that_cannot_be_answered_keeps_nobody_waiting(
    app: Flask, alice: Caller, kind: str, fields: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    with app.app_context():
        write(app, kind, **fields)
    asked(alice, "/auth/password/forgot", email=alice.email)
    assert subjects(app) == ["Choose a new password"]
    assert waiting(app) == 0
    assert "petition dropped" in caplog.text and "ada@example.org" not in caplog.text


def test_petition_outlives_a_failure_of_the_database(
    app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_asked: str) -> None:
        raise OperationalError("SELECT 1", {}, Exception("database is locked"))

    asked(alice, "/auth/password/forgot", email=alice.email)
    with monkeypatch.context() as patch:
        patch.setitem(petitions._ANSWERS, "reset", fail)
        with app.app_context(), pytest.raises(OperationalError):
            answer_petitions()
    assert subjects(app) == ["Choose a new password"]


def test_what_the_worker_does_next_is_not_laid_at_the_askers_door(app: Flask, anonymous: Caller) -> None:
    app.config.update(REQUIRED)
    asked(anonymous, "/auth/register", email="ada@example.org", password=PASSWORD)
    asked(anonymous, "/auth/password/forgot", email="nobody@example.org")
    with app.app_context():
        circumstances.begin(Circumstances())  # the test's own calls were in this context, too
        answer_petitions()
        set_column(app, User, created_at=clock.now() - timedelta(days=8))
        close_never_verified()
    [opened] = events(app, "user.created")
    [closed] = events(app, "user.closed")
    assert opened["request_id"] and opened["ip_prefix"]
    assert (closed["actor"], closed["request_id"], closed["ip_prefix"]) == (SYSTEM, None, "")
