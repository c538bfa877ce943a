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


@pytest.mark.asvs("6.3.2")
def test_new_database_has_no_account(app: Flask) -> None:
    assert users(app) == []


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
        ("ada@example.org", "password1234", "too easily guessed"),
        ("ada@example.org", "ada@example.org", "made of your e-mail address"),
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
        assert json.loads(result.output) == json.loads(json.dumps(app.extensions["openapi"]["v1"]()))


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
    commands = [
        ["users", "create-admin"],
        ["domains", "add"],
        ["keys", "rotate"],
        ["clicks", "verify"],
        ["worker"],
        ["spec"],
    ]
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


@pytest.mark.asvs("6.5.6")
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


def names_of_keys(app: Flask) -> list[list[str]]:
    result = typed(app, "keys", "list")
    assert result.exit_code == 0, result.output
    return [line.split(maxsplit=2) for line in result.output.splitlines()]


def test_keys_are_rotated_listed_and_revoked(app: Flask, alice: Caller) -> None:
    [[secret, _, use]] = names_of_keys(app)
    assert use == "signs"
    rotated = typed(app, "keys", "rotate")
    assert rotated.exit_code == 0, rotated.output
    new = rotated.output.split()[0]
    listed = {kid: (algorithm, use) for kid, algorithm, use in names_of_keys(app)}
    assert listed == {secret: ("HS256", "signs"), new: ("HS256", "begins to sign in a few seconds")}
    assert alice.get("/users/me").status_code == 200
    revoked = typed(app, "keys", "revoke", secret)
    assert revoked.exit_code == 0, revoked.output
    assert [kid for kid, *_ in names_of_keys(app)] == [new]
    assert alice.get("/users/me").status_code == 401


def test_retired_key_is_listed_with_its_end(app: Flask) -> None:
    typed(app, "keys", "rotate")
    with app.app_context(), database.writing() as connection:
        connection.execute(
            text("UPDATE signing_keys SET retired_at = created_at WHERE retired_at IS NOT NULL")
        )
    uses = sorted(use for *_, use in names_of_keys(app))
    assert uses[0] == "signs"
    assert uses[1].startswith("verifies until 20")


def test_keys_of_another_secret_are_told(make_app: AppFactory) -> None:
    kid = typed(make_app(), "keys", "rotate").output.split()[0]
    other = make_app(JWT_SECRET="7c1d" * 4 + "b90f63ae" * 2)
    assert f"{kid}  cannot be opened" in typed(other, "keys", "list").output


def test_unknown_key_cannot_be_revoked(app: Flask) -> None:
    result = typed(app, "keys", "revoke", "kid_nothing")
    assert result.exit_code == 1
    assert "There is no key kid_nothing." in result.output
