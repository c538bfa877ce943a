"""flask users, flask domains, flask api, flask worker, flask spec: what operators type."""

import json
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select, text

from app import database
from app.accounts.models import User
from app.cli import worker
from app.links.models import Domain
from tests.conftest import PASSWORD, AppFactory, Caller
from tests.factors import add_passkey, sign_in, use_passkey, with_totp
from tests.making import events


def typed(app: Flask, *arguments: str, answers: str = "", **variables: str) -> Result:
    return app.test_cli_runner().invoke(args=list(arguments), input=answers, env=dict(variables))


def users(app: Flask) -> list[Any]:
    with app.app_context(), database.reading() as connection:
        return [tuple(row) for row in connection.execute(select(User.email, User.role))]


def hosts(app: Flask) -> list[str | None]:
    with app.app_context(), database.reading() as connection:
        return list(connection.scalars(select(Domain.host).order_by(Domain.id)))


def test_admin_is_created_from_prompts_and_can_sign_in(app: Flask) -> None:
    result = typed(app, "users", "create-admin", answers=f"Ada@example.org\n{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    assert "Ada@example.org is an administrator (usr_" in result.output
    assert PASSWORD not in result.output
    assert users(app) == [("Ada@example.org", "admin")]
    caller = Caller(app.test_client())
    tokens = caller.post("/auth/login", json={"email": "ada@example.org", "password": PASSWORD}).json
    caller.token = tokens["access_token"]
    assert caller.get("/users/me").json["role"] == "admin"


def test_admin_is_created_without_prompts(app: Flask) -> None:
    result = typed(app, "users", "create-admin", "--email", "ada@example.org", ADMIN_PASSWORD=PASSWORD)
    assert result.exit_code == 0, result.output
    assert users(app) == [("ada@example.org", "admin")]


@pytest.mark.parametrize(
    ("email", "password", "complaint"),
    [
        ("ada@example.org", "short", "12 to 256 characters"),
        ("ada@example.org", "x" * 257, "12 to 256 characters"),
        ("nonsense", PASSWORD, "@-sign"),
        ("", PASSWORD, "Aborted"),
    ],
)
def test_weak_password_and_bad_address_are_refused(
    app: Flask, email: str, password: str, complaint: str
) -> None:
    result = typed(app, "users", "create-admin", answers=f"{email}\n{password}\n{password}\n")
    assert result.exit_code == 1
    assert complaint in result.output
    assert "Traceback" not in result.output
    assert users(app) == []


def test_password_is_asked_for_again_until_both_are_alike(app: Flask) -> None:
    answers = f"ada@example.org\n{PASSWORD}\nanother one\n{PASSWORD}\n{PASSWORD}\n"
    result = typed(app, "users", "create-admin", answers=answers)
    assert result.exit_code == 0, result.output
    assert "do not match" in result.output
    assert len(users(app)) == 1


def test_taken_address_is_refused(app: Flask, alice: Caller) -> None:
    answers = f"{alice.email.upper()}\n{PASSWORD}\n{PASSWORD}\n"
    result = typed(app, "users", "create-admin", answers=answers)
    assert result.exit_code == 1
    assert "There is an account with this e-mail address." in result.output
    assert [role for _, role in users(app)] == ["user"]


def test_domain_is_added_once_in_its_canonical_form(app: Flask) -> None:
    result = typed(app, "domains", "add", "Go.B\u00fccher.example.")
    assert result.exit_code == 0, result.output
    assert "go.xn--bcher-kva.example" in result.output
    assert hosts(app) == [None, "go.xn--bcher-kva.example"]
    again = typed(app, "domains", "add", "go.b\u00fccher.example")
    assert again.exit_code == 1
    assert "there already" in again.output
    assert len(hosts(app)) == 2


def test_what_is_no_host_is_refused(app: Flask) -> None:
    bad = ["", "a b", "http://go.example", "go.example/path", "user@go.example", "go..example", "-" * 300]
    for host in bad:
        result = typed(app, "domains", "add", "--", host)
        assert (result.exit_code, "Traceback" in result.output) == (1, False), host
    assert hosts(app) == [None]


def test_specification_is_printed_as_served(app: Flask) -> None:
    result = typed(app, "spec")
    assert result.exit_code == 0, result.output
    with app.app_context():
        assert json.loads(result.output) == json.loads(json.dumps(app.extensions["openapi"]["v1"]))


@pytest.mark.parametrize(("fsync", "synchronous"), [("never", 1), ("interval", 2), ("always", 2)])
def test_worker_syncs_its_commits_where_the_spool_is_synced(
    make_app: AppFactory, sqlite_url: str, fsync: str, synchronous: int
) -> None:
    app = make_app(DATABASE_URL=sqlite_url, SPOOL_FSYNC=fsync)
    with app.app_context():
        worker.prepare_database()
        with database.writing() as connection:
            assert connection.scalar(text("PRAGMA synchronous")) == synchronous


def test_every_command_explains_itself(app: Flask) -> None:
    commands = [["users", "create-admin"], ["domains", "add"], ["clicks", "verify"], ["worker"], ["spec"]]
    for group in ([], ["users"], ["api", "deprecated-uses"], ["audit", "verify"], *commands):
        result = typed(app, *group, "--help")
        assert result.exit_code == 0, result.output
        assert "Usage:" in result.output


def test_operator_changes_roles_and_disables(app: Flask, alice: Caller) -> None:
    typed(app, "users", "create-admin", "--email", "root@example.org", ADMIN_PASSWORD=PASSWORD)
    result = typed(app, "users", "set-role", alice.email.upper(), "manager")
    assert result.exit_code == 0, result.output
    assert f"{alice.email} is active, as manager ({alice.id})." in result.output
    assert alice.get("/users").status_code == 200
    assert "is disabled" in typed(app, "users", "disable", alice.email).output
    assert alice.get("/users/me").status_code == 401
    assert "is active" in typed(app, "users", "enable", alice.email).output
    found = events(app, "user.role_changed", "user.disabled", "user.enabled")
    assert [event["actor"] for event in found] == ["operator"] * 3


def test_operator_cannot_remove_the_last_admin_either(app: Flask) -> None:
    typed(app, "users", "create-admin", "--email", "root@example.org", ADMIN_PASSWORD=PASSWORD)
    for arguments in (["set-role", "root@example.org", "user"], ["disable", "root@example.org"]):
        result = typed(app, "users", *arguments)
        assert (result.exit_code, "the last admin" in result.output) == (1, True)
    assert users(app) == [("root@example.org", "admin")]


def test_unknown_account_and_role_are_refused(app: Flask, alice: Caller) -> None:
    assert "no account" in typed(app, "users", "disable", "nobody@example.org").output
    assert typed(app, "users", "set-role", alice.email, "root").exit_code == 2
    assert [role for _, role in users(app)] == ["user"]


def test_reset_factors_lets_the_password_alone_sign_in(app: Flask, alice: Caller) -> None:
    with_totp(alice)
    authenticator = add_passkey(alice)
    result = typed(app, "users", "reset-factors", alice.email.upper())
    assert result.exit_code == 0, result.output
    assert alice.id in result.output
    assert alice.get("/users/me").status_code == 401
    assert use_passkey(alice, authenticator).status_code == 401
    assert sign_in(alice).status_code == 200
    assert [event["outcome"] for event in events(app, "factors.reset")] == ["success"]


def test_reset_factors_of_nobody_is_refused(app: Flask) -> None:
    result = typed(app, "users", "reset-factors", "nobody@example.org")
    assert result.exit_code == 1
    assert "no account" in result.output
