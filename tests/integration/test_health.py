"""/healthz and /readyz: what orchestrators ask, on both engines."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from app import clock, database
from app.extensions import db
from tests import servers
from tests.conftest import AppFactory
from tests.integration.clicks.conftest import click


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


def test_several_processes_without_redis_are_a_warning(make_app: AppFactory) -> None:
    answer = make_app(WEB_WORKERS="2").test_client().get("/readyz")
    assert answer.status_code == 200
    [warning] = answer.json["warnings"]
    assert "REDIS_URL" in warning


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


def test_https_forced_without_a_proxy_is_warned_of(make_app: AppFactory) -> None:
    client = make_app(FORCE_HTTPS="true", PUBLIC_URL="https://sho.rt").test_client()
    [warning] = client.get("/readyz").json["warnings"]
    assert "PROXY_HOPS" in warning
