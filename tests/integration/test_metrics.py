"""/metrics: who may read them."""

from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import AppFactory, Caller, sign_up


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.mark.asvs("13.4.5")
@pytest.mark.parametrize(
    ("address", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.0.2.1", 404), ("", 404)]
)
def test_metrics_without_a_token_are_for_this_machine(
    make_app: AppFactory, address: str, status: int
) -> None:
    answer = make_app().test_client().get("/metrics", environ_base={"REMOTE_ADDR": address})
    assert answer.status_code == status
    if status == 200:
        assert answer.mimetype == "text/plain"
        assert b"# TYPE" in answer.data


def test_client_behind_a_proxy_of_this_machine_is_not_this_machine(make_app: AppFactory) -> None:
    client = make_app(PROXY_HOPS="1").test_client()
    assert client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 404


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer 8d3f0c1a", 200),
        ("Bearer 8d3f0c1", 404),
        ("Bearer 8d3f0c1a ", 200),  # servers strip the blanks around a value
        ("Basic 8d3f0c1a", 404),
        ("8d3f0c1a", 404),
        ("Bearer \u00e9", 404),
        ("", 404),
    ],
)
def test_metrics_with_a_token_are_for_its_bearer_alone(
    make_app: AppFactory, header: str, status: int
) -> None:
    client = make_app(METRICS_TOKEN="8d3f0c1a").test_client()
    headers = {"Authorization": header.strip()} if header else {}
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == status
    away = client.get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": "192.0.2.1"})
    assert away.status_code == status


def test_spool_is_told_once_whatever_the_number_of_processes(
    make_app: AppFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    app = make_app()
    app.config["SPOOL_DIR"].mkdir()
    (app.config["SPOOL_DIR"] / "1-a.spool").write_bytes(b"nonsense\n")
    for folder in (None, tmp_path):
        if folder:
            monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder))
        text = app.test_client().get("/metrics").text
        assert text.count("\nslugline_spool_bytes 9.0\n") == 1
        assert text.count("\nslugline_spool_unread_bytes 9.0\n") == 1
        assert text.count("\nslugline_spool_oldest_unread_seconds ") == 1


def test_sign_ins_and_refused_keys_are_counted(make_app: AppFactory) -> None:
    app = make_app()
    before = _counted(app)
    alice = sign_up(app, "alice")
    assert alice.post("/auth/login", json={"email": alice.email, "password": "no"}).status_code == 401
    unknown = {"X-API-Key": f"sl_{'a' * 22}_{'b' * 22}"}
    assert Caller(app.test_client()).get("/users/me", headers=unknown).status_code == 401
    after = _counted(app)
    assert {name: after[name] - before[name] for name in after} == dict.fromkeys(after, 1.0)


def _counted(app: Flask) -> dict[str, float]:
    text = app.test_client().get("/metrics").text
    names = (
        'slugline_sign_ins_total{method="password",outcome="good"}',
        'slugline_sign_ins_total{method="password",outcome="refused"}',
        'slugline_refused_api_keys_total{reason="unknown"}',
    )
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines())
    return {name: float(lines.get(name, 0)) for name in names}
