"""app/accounts/signing_keys.py"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select, update

from app import clock, database
from app.accounts import signing_keys, tokens
from app.accounts.models import SigningKey
from app.accounts.signing_keys import Key
from app.accounts.tokens import TokenPair
from app.audit.models import AuditEvent
from app.errors import AuthRequired, InvalidToken, NotFound
from app.extensions import db
from tests.conftest import AppFactory
from tests.making import let_pass

ALGORITHMS = ["HS256", "EdDSA"]  # an RSA key takes half a second to be made; the token matrix signs by one
OTHER_SECRET = "7c1d" * 4 + "b90f63ae" * 2


@pytest.fixture(params=ALGORITHMS)
def signing(request: pytest.FixtureRequest, app: Flask) -> Iterator[Flask]:
    """An application whose tokens are signed so, its ring empty."""
    app.config["JWT_ALGORITHM"] = request.param
    with app.app_context():
        yield app


@pytest.fixture
def here(app: Flask) -> Iterator[Flask]:
    with app.app_context():
        yield app


def rotated() -> Key:
    key = signing_keys.make()
    db.session.commit()
    return key


def issued() -> TokenPair:
    pair, _ = tokens.issue("usr_a", "ses_a")
    db.session.commit()
    return pair


def is_good(token: str, type_: str = "access") -> bool:
    try:
        return tokens.examine(token, type_).user == "usr_a"
    except (InvalidToken, AuthRequired):
        return False


def rows() -> dict[str, Any]:
    with database.reading() as connection:
        found = connection.execute(select(SigningKey.__table__)).mappings()
        return {row["kid"]: row for row in found}


def settle() -> None:
    """Let the seconds pass for which a key that retires still signs."""
    with database.writing() as connection:
        retiring = SigningKey.retired_at.is_not(None)
        connection.execute(update(SigningKey).where(retiring).values(retired_at=clock.now()))
    signing_keys.ring()


def counting_reads(app: Flask) -> list[str]:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "signing_keys" in statement:
            statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    return statements


def test_without_a_ring_the_secret_signs_and_nothing_is_stored(here: Flask) -> None:
    token = issued().access_token
    assert is_good(token)
    assert signing_keys.signer().kid == signing_keys.secrets_kid()
    assert rows() == {}


def test_key_is_made_where_there_is_none(signing: Flask) -> None:
    assert is_good(issued().access_token)
    made = {row["algorithm"] for row in rows().values() if row["retired_at"] is None}
    assert made == ({signing.config["JWT_ALGORITHM"]} - {"HS256"})


@pytest.mark.asvs("13.3.4")
def test_rotation_ends_no_session_and_the_new_key_signs_after_some_seconds(signing: Flask) -> None:
    before = issued().refresh_token
    old = signing_keys.signer().kid
    new = rotated().kid
    assert signing_keys.signer().kid == old, "a process that has not read the ring would refuse the new one"
    settle()
    assert signing_keys.signer().kid == new
    assert is_good(before, "refresh")
    assert is_good(issued().access_token)


def test_retired_key_is_kept_as_long_as_a_token_of_it_may_live(
    signing: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued()
    old = signing_keys.signer().kid
    rotated()
    let_pass(monkeypatch, days=7)
    signing_keys.forget_expired()
    assert old in rows() and signing_keys.verifier(old)
    let_pass(monkeypatch, days=7, minutes=2)
    assert signing_keys.verifier(old) is None, "whether the worker has come or not"
    signing_keys.forget_expired()
    assert old not in rows()
    assert len(rows()) == 1


def test_secret_does_not_come_back_when_its_time_as_a_key_is_over(
    here: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    kid = signing_keys.secrets_kid()
    rotated()
    let_pass(monkeypatch, days=8)
    signing_keys.forget_expired()
    signing_keys.ring()
    assert signing_keys.verifier(kid) is None


@pytest.mark.asvs("7.4.5")
@pytest.mark.parametrize("what", ["the one that signs", "a retired one"])
def test_revoked_key_verifies_nothing_and_another_signs(signing: Flask, what: str) -> None:
    token = issued().access_token
    old = signing_keys.signer().kid
    if what == "a retired one":
        rotated()
        settle()
    signing_keys.revoke(old)
    db.session.commit()
    signing_keys.ring()
    assert not is_good(token)
    assert old not in rows()
    assert is_good(issued().access_token)
    assert signing_keys.signer().kid != old


def test_unknown_key_is_not_revoked(here: Flask) -> None:
    with pytest.raises(NotFound):
        signing_keys.revoke("kid_0000000000000000000000")


def test_what_is_done_to_keys_is_recorded_without_them(here: Flask) -> None:
    key = rotated()
    signing_keys.revoke(key.kid)
    db.session.commit()
    events = db.session.execute(select(AuditEvent.action, AuditEvent.subject, AuditEvent.after)).all()
    assert ("signing_key.made", key.kid, {"algorithm": "HS256"}) in [tuple(event) for event in events]
    assert ("signing_key.revoked", key.kid, None) in [tuple(event) for event in events]


@pytest.mark.asvs("11.2.2")
def test_algorithm_can_be_changed_while_people_are_signed_in(here: Flask) -> None:
    held = []
    for algorithm in ("HS256", "RS256", "EdDSA", "HS256"):
        here.config["JWT_ALGORITHM"] = algorithm
        held.append(issued().refresh_token)
        settle()
    assert all(is_good(token, "refresh") for token in held)


def test_two_machines_of_different_settings_refuse_no_token_of_each_other(here: Flask) -> None:
    """As during a restart of one after the other."""
    held = []
    for algorithm in ("EdDSA", "HS256") * 3:
        here.config["JWT_ALGORITHM"] = algorithm
        held.append(issued().access_token)
    assert all(map(is_good, held))
    assert len(rows()) == 2, "each signs with its own until it is retired"


def test_other_processes_know_a_new_key_at_once_and_a_revoked_one_no_more(
    make_app: AppFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = make_app(JWT_ALGORITHM="EdDSA"), make_app(JWT_ALGORITHM="EdDSA")
    with there.app_context():
        known = issued().access_token
        assert is_good(known)
    with here.app_context():
        kid = signing_keys.signer().kid
        signing_keys.revoke(kid)
        db.session.commit()
        fresh = issued().access_token
    monkeypatch.setattr(signing_keys, "_UNKNOWN_EVERY", 0.0)
    with there.app_context():
        assert is_good(fresh)
        monkeypatch.setattr(signing_keys, "READ_EVERY", 0.0)
        assert not is_good(known)


def test_unknown_names_of_keys_cause_few_readings(here: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    signing_keys.ring()
    monkeypatch.setattr(signing_keys, "_UNKNOWN_EVERY", 60.0)
    monkeypatch.setattr(signing_keys, "READ_EVERY", 60.0)
    statements = counting_reads(here)
    assert all(signing_keys.verifier(f"kid_{number:022}") is None for number in range(100))
    assert statements == []
    monkeypatch.setattr(signing_keys, "_UNKNOWN_EVERY", 0.0)
    signing_keys.verifier("kid_0000000000000000000000")
    assert len(statements) == 1


def test_known_key_is_found_without_a_reading(here: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_keys, "READ_EVERY", 60.0)
    token = issued().access_token
    statements = counting_reads(here)
    assert all(is_good(token) for _ in range(20))
    assert statements == []


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_keys_sealed_under_another_secret_are_not_used(
    make_app: AppFactory, algorithm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with make_app(JWT_ALGORITHM=algorithm).app_context():
        old = rotated().kid
        token = issued().access_token
    with make_app(JWT_ALGORITHM=algorithm, JWT_SECRET=OTHER_SECRET).app_context():
        assert not is_good(token)
        assert is_good(issued().access_token)
        assert old in signing_keys.ring().unreadable
        assert "was JWT_SECRET changed?" in capsys.readouterr().err
        signing_keys.revoke(old)
        db.session.commit()
        assert old not in rows()


@pytest.mark.asvs("11.3.3")
@pytest.mark.parametrize(
    "change",
    [
        lambda row: {"kid": "kid_" + "x" * 22},
        lambda row: {"algorithm": "HS256" if row["algorithm"] != "HS256" else "EdDSA"},
        lambda row: {"sealed": bytes(len(row["sealed"]))},
        lambda row: {"sealed": b""},
        lambda row: {"sealed": None},
    ],
)
def test_row_that_was_tampered_with_opens_nothing(
    signing: Flask, change: Callable[[Any], dict[str, Any]]
) -> None:
    """Whoever writes to the database must not sign tokens by it."""
    key = rotated()
    with database.writing() as connection:
        changed = change(rows()[key.kid])
        connection.execute(update(SigningKey).where(SigningKey.kid == key.kid).values(changed))
    ring = signing_keys.ring()
    assert changed.get("kid", key.kid) in ring.unreadable
    assert key.kid not in ring.keys


def test_key_is_neither_stored_in_clear_nor_shown_by_its_repr(signing: Flask) -> None:
    key = rotated()
    shown = repr(key) + repr(signing_keys.ring())
    assert "private" not in shown and "public" not in shown
    if isinstance(key.private, bytes):
        assert key.private not in rows()[key.kid]["sealed"]


def test_first_key_that_is_not_committed_is_none(signing: Flask) -> None:
    """A sign-in that fails after its tokens were made leaves neither them nor their key."""
    pair, _ = tokens.issue("usr_a", "ses_a")
    db.session.rollback()
    assert is_good(pair.access_token) == (signing.config["JWT_ALGORITHM"] == "HS256")
    assert rows() == {}


def test_time_of_a_key_is_not_moved_by_the_next_rotations(here: Flask) -> None:
    rotated()
    ends = {kid: row["not_after"] for kid, row in rows().items() if row["not_after"]}
    rotated()
    rotated()
    assert {kid: rows()[kid]["not_after"] for kid in ends} == ends
    assert all(end - clock.now() > timedelta(days=7) for end in ends.values())
