"""Whoever has the database and not the key is found out: `flask audit verify`."""

import hashlib

import pytest
from click.testing import Result
from flask import Flask

from app.audit import sealing, verifying
from app.audit.verifying import verify
from app.extensions import db
from tests.integration.audit.conftest import Tamper, faults, head, record, sealed

SUBJECTS = ("s1", "s2", "s3", "s4", "s5")


@pytest.fixture(autouse=True)
def chain_of_five(context: None) -> None:
    sealed(*SUBJECTS)
    assert faults() == []


def typed(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["audit", "verify", *arguments])


COLUMNS = {
    "at": "'2020-01-01 00:00:00.000000'",
    "action": "'thing.undone'",
    "outcome": "'failure'",
    "public_id": "'evt_x'",
    "actor": "'usr_x'",
    "credential": "'ses_x'",
    "subject": "'s9'",
    "owner": "'usr_x'",
    "before": "'{}'",
    "after": "NULL",
    "request_id": "'req_x'",
    "ip_prefix": "'192.0.2.0/24'",
}


@pytest.mark.asvs("16.4.2")
def test_change_of_any_column_is_found(tamper: Tamper) -> None:
    third = "SELECT event_id FROM audit_seals WHERE seq = 3"
    tamper("CREATE TABLE kept AS SELECT * FROM audit_events")
    try:
        for column, value in COLUMNS.items():
            tamper(f"UPDATE audit_events SET {column} = {value} WHERE id = ({third})")
            [fault] = faults()
            assert "(seal 3) is not what was sealed." in fault, column
            tamper(
                f"UPDATE audit_events SET {column} = (SELECT {column} FROM kept WHERE id = ({third})) "
                f"WHERE id = ({third})"
            )
            assert faults() == [], column
    finally:
        tamper("DROP TABLE kept")
    assert {*COLUMNS, "id"} == set(verifying.AuditEvent.__table__.columns.keys())


OF = "(SELECT event_id FROM audit_seals WHERE seq = {})".format
TAMPERED = {
    "deleted": (["DELETE FROM audit_events WHERE subject = 's3'"], ["The event of seal 3 is gone."]),
    "deleted with its seal": (
        [f"DELETE FROM audit_events WHERE id = {OF(3)}", "DELETE FROM audit_seals WHERE seq = 3"],
        ["Seals 3 to 3 are missing."],
    ),
    "deleted, the rest moved up": (
        [
            f"DELETE FROM audit_events WHERE id = {OF(3)}",
            "DELETE FROM audit_seals WHERE seq = 3",
            "UPDATE audit_seals SET seq = 3 WHERE seq = 4",
            "UPDATE audit_seals SET seq = 4 WHERE seq = 5",
        ],
        ["(seal 3) is not what was sealed.", "The chain ends with seal 4; it should with seal 5"],
    ),
    "deleted at the beginning": (
        [f"DELETE FROM audit_events WHERE id = {OF(1)}", "DELETE FROM audit_seals WHERE seq = 1"],
        ["Seals 1 to 1 are missing."],
    ),
    "inserted unsealed": (
        [
            "INSERT INTO audit_events (id, public_id, at, action, outcome, ip_prefix) "
            "VALUES (999999, 'evt_x', '2026-01-01 00:00:00', 'x', 'success', '')"
        ],
        ["Event evt_x is neither sealed nor waiting for its seal."],
    ),
    "inserted with a seal": (
        [
            "INSERT INTO audit_events (id, public_id, at, action, outcome, ip_prefix) "
            "VALUES (999999, 'evt_x', '2026-01-01 00:00:00', 'x', 'success', '')",
            "INSERT INTO audit_seals (seq, event_id, hash) SELECT 6, 999999, hash FROM audit_seals WHERE seq = 5",
        ],
        ["Event evt_x (seal 6) is not", "The chain ends with seal 6; it should with seal 5"],
    ),
    "two swapped": (
        [
            "UPDATE audit_seals SET seq = -1 WHERE seq = 2",
            "UPDATE audit_seals SET seq = 2 WHERE seq = 4",
            "UPDATE audit_seals SET seq = 4 WHERE seq = -1",
        ],
        ["(seal 2) is not", "(seal 3) is not", "(seal 4) is not", "(seal 5) is not"],
    ),
    "seals given to each other's events": (
        [
            "CREATE TABLE pairs AS SELECT seq, event_id FROM audit_seals",
            "UPDATE audit_seals SET event_id = -1 WHERE seq = 2",
            "UPDATE audit_seals SET event_id = (SELECT event_id FROM pairs WHERE seq = 2) WHERE seq = 4",
            "UPDATE audit_seals SET event_id = (SELECT event_id FROM pairs WHERE seq = 4) WHERE seq = 2",
            "DROP TABLE pairs",
        ],
        ["(seal 2) is not", "(seal 4) is not"],
    ),
    "cut off": (
        [
            f"DELETE FROM audit_events WHERE id IN ({OF(4)}, {OF(5)})",
            "DELETE FROM audit_seals WHERE seq > 3",
        ],
        ["The chain ends with seal 3; it should with seal 5"],
    ),
    "cut off, and said to end there": (
        [
            f"DELETE FROM audit_events WHERE id IN ({OF(4)}, {OF(5)})",
            "DELETE FROM audit_seals WHERE seq > 3",
            "UPDATE audit_chain SET sealed_seq = 3, sealed_hash = (SELECT hash FROM audit_seals WHERE seq = 3)",
        ],
        ["Where the chain ends was not written with this SECRET_KEY."],
    ),
    "beginning said to have been deleted for its age": (
        [
            f"DELETE FROM audit_events WHERE id = {OF(1)}",
            "UPDATE audit_chain SET pruned_seq = 1, pruned_hash = (SELECT hash FROM audit_seals WHERE seq = 1)",
            "DELETE FROM audit_seals WHERE seq = 1",
        ],
        ["Where the chain ends was not written with this SECRET_KEY."],
    ),
    "taken out of the queue": (
        ["DELETE FROM audit_unsealed"],
        [],
    ),
}


@pytest.mark.asvs("16.4.2")
@pytest.mark.parametrize("how", TAMPERED)
def test_tampering_is_found(app: Flask, tamper: Tamper, how: str) -> None:
    statements, expected = TAMPERED[how]
    if how == "taken out of the queue":
        record("s6")
        expected = ["is neither sealed nor waiting for its seal."]
    tamper(*statements)
    found = faults()
    assert len(found) == len(expected), found
    assert all(part in fault for part, fault in zip(expected, found, strict=True)), found
    result = typed(app)
    assert result.exit_code == 1
    assert all(fault in result.output for fault in found)


def test_chain_sealed_anew_without_the_key_is_found(tamper: Tamper) -> None:
    """An HMAC, where a bare hash could be worked out by anybody."""
    digest = hashlib.sha256(b"guess").hexdigest()
    value = f"x'{digest}'" if db.engine.dialect.name == "sqlite" else f"'\\x{digest}'"
    tamper(
        f"UPDATE audit_seals SET hash = {value} WHERE seq = 5",
        f"UPDATE audit_chain SET sealed_hash = {value}",
    )
    assert len(faults()) == 2


def test_older_copy_of_the_tables_is_found_by_a_head_that_was_kept(app: Flask, tamper: Tamper) -> None:
    """What no chain can tell by itself: everything put back to what it was, key or not."""
    tamper("CREATE TABLE kept AS SELECT * FROM audit_chain")
    sealed("s6")
    kept = head()
    tamper(
        f"DELETE FROM audit_events WHERE id = {OF(6)}",
        "DELETE FROM audit_seals WHERE seq = 6",
        "DELETE FROM audit_chain",
        "INSERT INTO audit_chain SELECT * FROM kept",
        "DROP TABLE kept",
    )
    assert faults() == []
    assert typed(app).exit_code == 0
    [fault] = faults(kept)
    assert fault.startswith(f"No event has the seal {kept}")
    assert typed(app, "--expect", kept).exit_code == 1


def test_head_that_was_kept_is_found_again_when_the_chain_has_grown(app: Flask) -> None:
    kept = head()
    sealed("s6", "s7")
    assert head() != kept
    result = typed(app, "--expect", kept.upper())
    assert (result.exit_code, result.output) == (
        0,
        f"7 events sealed, 0 waiting for their seals: no faults.\nHead: {head()} (seal 7)\n",
    )


def test_what_waits_is_told() -> None:
    record("s6")
    verdict = verify()
    assert (verdict.sealed, verdict.unsealed, verdict.wrong) == (5, 1, 0)


def test_only_the_first_faults_are_named_and_all_are_counted(
    tamper: Tamper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "MOST", 2)
    tamper("UPDATE audit_events SET action = 'x'")
    verdict = verify()
    assert (verdict.wrong, len(verdict.faults)) == (5, 2)


def test_faults_are_found_however_the_rows_are_read(tamper: Tamper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "_ROWS", 2)
    assert faults() == []
    tamper("UPDATE audit_events SET action = 'x' WHERE subject = 's5'")
    assert len(faults()) == 1


def test_empty_log_is_no_fault(app: Flask, tamper: Tamper) -> None:
    tamper(*(f"DELETE FROM {name}" for name in ("audit_chain", "audit_seals", "audit_events")))
    assert faults() == []
    sealing.seal()
    assert typed(app).exit_code == 0
