"""/healthz and /readyz: what orchestrators ask, on both engines."""

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from app import clock, database
from app.accounts import petitions
from app.accounts.devices import Device
from app.audit import sealing
from app.extensions import db
from app.mail import outbox
from app.mail.outbox import Letter
from tests import servers
from tests.conftest import AppFactory, sign_up
from tests.integration.clicks.conftest import click
from tests.making import let_pass


def failing(app: Flask) -> dict[str, str]:
    """What /readyz names: part > message. Checks the shape of its refusal."""
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    error = answer.json["error"]
    assert (error["code"], answer.headers["X-Error-Code"]) == ("UNAVAILABLE", "UNAVAILABLE")
    found = {detail["field"]: detail["message"] for detail in error["details"]}
    assert all(name in error["message"] for name in found)
    return found


def test_ready_service_says_so(app: Flask) -> None:
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 200
    parts = dict.fromkeys(("database", "migrations", "limiter", "spool"), "ok")
    assert answer.json == {"status": "ready", "checks": parts, "warnings": []}


def test_process_is_up_whatever_stands_behind_it(make_app: AppFactory) -> None:
    app = make_app(DATABASE_URL=f"postgresql://x@127.0.0.1:{servers.free_port()}/x")
    answer = app.test_client().get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert app.test_client().head("/healthz").status_code == 200


@pytest.mark.asvs("13.4.5", "16.5.1")
def test_database_that_is_away_is_named_without_its_address(make_app: AppFactory) -> None:
    port = servers.free_port()
    found = failing(make_app(DATABASE_URL=f"postgresql://somebody:hunter2@127.0.0.1:{port}/x"))
    assert set(found) == {"database", "migrations"}
    for secret in ("hunter2", "somebody", str(port)):
        assert secret not in json.dumps(found)


def test_older_database_is_named_with_both_revisions(app: Flask) -> None:
    with app.app_context(), database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    message = failing(app)["migrations"]
    assert "0000" in message
    assert app.extensions["migration_heads"].pop() in message


def test_spool_that_takes_no_file_is_named(app: Flask) -> None:
    folder = Path(app.config["SPOOL_DIR"])
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("in the way")
    assert set(failing(app)) == {"spool"}


def test_store_that_is_away_is_named(make_app: AppFactory) -> None:
    url = f"redis://127.0.0.1:{servers.free_port()}/0"
    assert set(failing(make_app(RATELIMIT_ENABLED="true", REDIS_URL=url))) == {"limiter"}


def test_several_processes_without_redis_are_warned_of_and_logged(
    make_app: AppFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = make_app(WEB_WORKERS="2").test_client().get("/readyz")
    assert answer.status_code == 200
    [warning] = answer.json["warnings"]
    assert "REDIS_URL" in warning
    assert "several web processes without REDIS_URL" in capfd.readouterr().err


def test_limits_in_this_process_are_ready_too(make_app: AppFactory) -> None:
    assert make_app(RATELIMIT_ENABLED="true").test_client().get("/readyz").status_code == 200


def test_asking_writes_nothing(app: Flask) -> None:
    with app.app_context():
        before = db.engine.pool.checkedout()
        for _ in range(3):
            app.test_client().get("/readyz")
        assert db.engine.pool.checkedout() == before


def test_spool_over_half_full_is_warned_of(make_app: AppFactory) -> None:
    app = make_app(SPOOL_LIMIT_BYTES="1000")
    app.config["SPOOL_DIR"].mkdir(parents=True)
    lying = app.config["SPOOL_DIR"] / "1-a.spool"
    lying.write_bytes(b"x" * 499 + b"\n")
    assert app.test_client().get("/readyz").json["warnings"] == []
    lying.write_bytes(b"x" * 500 + b"\n")
    [warning] = app.test_client().get("/readyz").json["warnings"]
    assert "501 of 1000 bytes (SPOOL_LIMIT_BYTES)" in warning


def test_clicks_that_wait_for_a_worker_are_warned_of(app: Flask) -> None:
    app.config["SPOOL_DIR"].mkdir(parents=True, exist_ok=True)
    lying = app.config["SPOOL_DIR"] / "1-a.spool"
    lying.write_bytes(click(at=clock.now() - timedelta(minutes=4)))
    assert app.test_client().get("/readyz").json["warnings"] == []
    lying.write_bytes(click(at=clock.now() - timedelta(minutes=6)))
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 200
    assert answer.json["warnings"] == ["Clicks have waited for 6 minutes: is the worker running?"]


def test_mails_and_petitions_that_wait_are_warned_of(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        outbox.put("ada@example.org", Letter("Hello", "Hello\n"), "usr_x")
        petitions.reset("ada@example.org", Device("test", "192.0.2.1"))
        db.session.commit()
    let_pass(monkeypatch, minutes=4)
    assert app.test_client().get("/readyz").json["warnings"] == []
    let_pass(monkeypatch, minutes=6)
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 200
    assert [warning.split(":")[0] for warning in answer.json["warnings"]] == [
        "1 mails wait, the oldest for 6 minutes",
        "1 petitions wait, the oldest for 6 minutes",
    ]
    text = app.test_client().get("/metrics").text
    assert '\nslugline_waiting{queue="mails"} 1.0\n' in text
    assert '\nslugline_waiting{queue="petitions"} 1.0\n' in text


def test_events_without_seals_are_told_with_the_age_of_the_oldest(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_up(app, "alice")
    let_pass(monkeypatch, minutes=6)
    text = app.test_client().get("/metrics").text
    [length] = re.findall(r'^slugline_waiting\{queue="seals"\} (.+)$', text, re.MULTILINE)
    [age] = re.findall(r'^slugline_oldest_waiting_seconds\{queue="seals"\} (.+)$', text, re.MULTILINE)
    assert float(length) >= 2
    assert 360 <= float(age) < 400
    with app.app_context():
        sealing.seal()
    text = app.test_client().get("/metrics").text
    assert '\nslugline_waiting{queue="seals"} 0.0\n' in text


def test_metrics_answer_while_the_database_does_not(make_app: AppFactory) -> None:
    answer = (
        make_app(DATABASE_URL=f"postgresql://x@127.0.0.1:{servers.free_port()}/x")
        .test_client()
        .get("/metrics")
    )
    assert answer.status_code == 200
    assert "slugline_waiting{" not in answer.text


def test_doubtful_settings_are_warned_of_and_logged(
    make_app: AppFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    app = make_app(REGISTRATION="domains", REGISTRATION_DOMAINS="example.org")
    [warning] = app.test_client().get("/readyz").json["warnings"]
    assert "EMAIL_VERIFICATION" in warning
    assert warning in capfd.readouterr().err


def test_https_forced_without_a_proxy_is_warned_of(make_app: AppFactory) -> None:
    client = make_app(FORCE_HTTPS="true", PUBLIC_URL="https://sho.rt").test_client()
    [warning] = client.get("/readyz").json["warnings"]
    assert "PROXY_HOPS" in warning
