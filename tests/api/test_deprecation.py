"""Calls that will end: what clients are told, what an operator sees, and the end itself.

No call of version 1 is deprecated, so these have a version of their own.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from marshmallow import Schema, fields
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client import REGISTRY
from sqlalchemy import delete, select, text
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from app import clock, database
from app.accounts import uses
from app.accounts.models import DeprecatedUse
from app.api.access import public, signed_in
from app.api.blueprint import Blueprint
from app.api.deprecation import deprecated
from app.api.versions import Api
from app.errors import NotFound
from tests.conftest import AppFactory, Caller, sign_up
from tests.sharing import shared

SINCE, SUNSET = date(2026, 1, 1), date(2099, 1, 1)
LINK = (
    '</api/v1/links>; rel="successor-version", '
    '</docs#/olds/list_olds>; rel="deprecation"; type="text/html", '
    '</docs#/olds/list_olds>; rel="sunset"; type="text/html"'
)
GET_ONE, LIST = "GET /api/v9/olds/{code}", "GET /api/v9/olds"


class Old(Schema):
    code = fields.String()


blueprint = Blueprint("v9_olds", __name__, url_prefix="/olds", description="What will end.")


@blueprint.get("")
@public
@deprecated(since=SINCE, sunset=SUNSET, successor="/api/v1/links")
@blueprint.response(200, Old(many=True))
def list_olds() -> Any:
    """List them."""
    return [], {"Link": '</api/v9/olds?page=2>; rel="next"'}


@blueprint.get("/<code>")
@signed_in
@deprecated(since=SINCE, sunset=SUNSET, successor="/api/v1/links/{code}")
@blueprint.response(200, Old)
def get_old(code: str) -> dict[str, str]:
    """Read one.

    As it was.
    """
    if code == "none":
        raise NotFound()
    return {"code": code}


@blueprint.post("")
@public
@blueprint.arguments(Old)
@blueprint.response(201, Old)
def create_old(fields: dict[str, Any]) -> dict[str, Any]:
    """Make one."""
    return fields


def with_olds(app: Flask) -> Flask:
    api = Api(app, "v9", "Old.")
    api.register_blueprint(blueprint)
    return app


@pytest.fixture(scope="module")
def app(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with shared(sqlite_template, tmp_path_factory.mktemp("olds")) as app:
        yield with_olds(app)


@pytest.fixture(autouse=True)
def forget(app: Flask) -> Iterator[None]:
    yield
    with app.app_context(), database.writing() as connection:
        connection.execute(delete(DeprecatedUse))


@pytest.fixture
def own_app(make_app: AppFactory) -> Flask:
    """One on each engine, for what the database does."""
    return with_olds(make_app())


def ask(caller: Caller, path: str, method: str = "GET", **options: Any) -> TestResponse:
    headers = {"Authorization": f"Bearer {caller.token}"} if caller.token else {}
    return caller.client.open(f"/api/v9/olds{path}", method=method, headers=headers, **options)


def counted(app: Flask) -> dict[tuple[str, str], int]:
    with app.app_context():
        return {(use.operation, use.caller): use.uses for use in uses.since(date.min)}


def at(monkeypatch: pytest.MonkeyPatch, *time: int) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(*time, tzinfo=UTC))


def test_every_answer_of_the_call_tells_when_it_ends_and_what_to_call_instead(
    app: Flask, alice: Caller
) -> None:
    answers = {
        200: ask(alice, "/a-b%20%C3%BC"),
        401: ask(Caller(app.test_client()), "/x"),
        404: ask(alice, "/none"),
        400: ask(alice, "/x?zzz=1"),
        413: ask(alice, "/x", data=b"x" * 300_000),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["Deprecation"] == "@1767225600"
        assert answer.headers["Sunset"] == "Thu, 01 Jan 2099 00:00:00 GMT"
        assert 'rel="successor-version", </docs#/olds/get_old>; rel="deprecation"' in answer.headers["Link"]
    assert answers[200].headers["Link"].startswith("</api/v1/links/a-b%20%C3%BC>; ")
    assert ask(alice, "/x", "HEAD").headers["Deprecation"] == "@1767225600"


def test_link_header_of_the_call_itself_is_kept(app: Flask, anonymous: Caller) -> None:
    assert ask(anonymous, "").headers.getlist("Link") == [f'</api/v9/olds?page=2>; rel="next", {LINK}']


def test_other_calls_tell_nothing(app: Flask, anonymous: Caller) -> None:
    for answer in (ask(anonymous, "", "POST", json={"code": "a"}), ask(anonymous, "", "OPTIONS")):
        assert answer.status_code < 300
        assert not {"Deprecation", "Sunset", "Link"} & set(answer.headers.keys())
    assert counted(app) == {}


def test_specification_marks_the_call(app: Flask) -> None:
    document = app.test_client().get("/api/v9/openapi.json").json
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    one = document["paths"]["/api/v9/olds/{code}"]["get"]
    assert (one["deprecated"], one["x-sunset"], one["summary"]) == (True, "2099-01-01", "Read one.")
    assert one["description"] == (
        "As it was.\n\nDeprecated since 2026-01-01, may end on 2099-01-01; use `/api/v1/links/{code}` instead."
    )
    assert "`GONE`" in one["responses"]["410"]["description"]
    for response in one["responses"].values():
        assert {"Deprecation", "Sunset", "Link", "X-Request-ID"} <= set(response["headers"])
    assert "deprecated" not in document["paths"]["/api/v9/olds"]["post"]


@pytest.mark.parametrize(
    ("enforced", "now", "status"),
    [(False, (2099, 1, 1), 200), (True, (2098, 12, 31, 23, 59, 59), 200), (True, (2099, 1, 1), 410)],
)
def test_call_ends_at_its_sunset_where_the_setting_says_so(
    anonymous: Caller, monkeypatch: pytest.MonkeyPatch, enforced: bool, now: tuple[int, ...], status: int
) -> None:
    monkeypatch.setitem(anonymous.client.application.config, "SUNSET_ENFORCED", enforced)
    at(monkeypatch, *now)
    answer = ask(anonymous, "")
    assert answer.status_code == status
    assert LINK in answer.headers["Link"]
    if status == 410:
        assert answer.json["error"]["code"] == answer.headers["X-Error-Code"] == "GONE"
    assert ask(anonymous, "", "POST", json={"code": "a"}).status_code == 201


def test_uses_are_counted_exactly_by_call_and_caller(own_app: Flask) -> None:
    app, alice, bob = own_app, sign_up(own_app, "alice"), sign_up(own_app, "bob")

    def use(turn: int) -> int:
        caller = (alice, bob, Caller(app.test_client()))[turn % 3]
        own = Caller(app.test_client(), token=caller.token)
        return ask(own, "/x" if caller.token else "").status_code

    with ThreadPoolExecutor(6) as threads:
        assert set(threads.map(use, range(30))) == {200}
    assert ask(alice, "/none", "HEAD").status_code == 404
    assert ask(Caller(app.test_client()), "/x").status_code == 401  # nobody's use
    assert counted(app) == {(GET_ONE, alice.id): 11, (GET_ONE, bob.id): 10, (LIST, "anonymous"): 10}


def test_days_are_counted_apart_and_kept_for_400(own_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    app, anonymous = own_app, Caller(own_app.test_client())
    for day in (1, 2, 2):
        at(monkeypatch, 2026, 3, day, 12)
        ask(anonymous, "")
    at(monkeypatch, 2026, 3, 2, 12)
    with app.app_context(), database.reading() as connection:
        rows = connection.execute(select(DeprecatedUse.day, DeprecatedUse.uses, DeprecatedUse.last_at)).all()
    assert sorted(rows) == [
        (date(2026, 3, 1), 1, datetime(2026, 3, 1, 12, tzinfo=UTC)),
        (date(2026, 3, 2), 2, datetime(2026, 3, 2, 12, tzinfo=UTC)),
    ]
    later = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(days=400)
    monkeypatch.setattr(clock, "now", lambda: later)
    with app.app_context():
        uses.forget_old()
    assert counted(app) == {(LIST, "anonymous"): 2}


def test_closed_account_leaves_no_uses(app: Flask, alice: Caller, bob: Caller) -> None:
    ask(alice, "/x")
    ask(bob, "/x")
    assert alice.delete("/users/me").status_code == 204
    assert counted(app) == {(GET_ONE, bob.id): 1}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_count_that_fails_does_not_fail_the_call(own_app: Flask) -> None:
    app, anonymous = own_app, Caller(own_app.test_client())
    with app.app_context(), database.writing() as connection:
        connection.execute(text("DROP TABLE deprecated_uses"))
    with capture_logs() as logs:
        assert ask(anonymous, "").status_code == 200
    [told] = [line for line in logs if line["event"] == "use of a deprecated call not counted"]
    assert told["operation"] == LIST


def test_uses_are_told_to_prometheus(app: Flask, anonymous: Caller) -> None:
    def value() -> float:
        labels = {"operation": LIST}
        return REGISTRY.get_sample_value("slugline_api_deprecated_calls_total", labels) or 0.0

    before = value()
    ask(anonymous, "")
    assert value() == before + 1


def test_operator_sees_who_uses_what(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = sign_up(app, "alice")
    at(monkeypatch, 2026, 3, 1, 12)
    ask(alice, "/x")
    ask(alice, "/y")
    at(monkeypatch, 2026, 3, 20, 12)
    typed = app.test_cli_runner().invoke
    assert typed(args=["api", "deprecated-uses"]).output.splitlines() == [
        f"{LIST}, sunset 2099-01-01: 0 uses by 0 callers in 30 days",
        f"{GET_ONE}, sunset 2099-01-01: 2 uses by 1 callers in 30 days",
        f"  {alice.id}  2  2026-03-01T12:00:00Z",
    ]
    assert "2 uses" not in typed(args=["api", "deprecated-uses", "--days", "7"]).output


def test_operator_is_told_that_nothing_is_deprecated(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.extensions, "openapi", {"v1": app.extensions["openapi"]["v1"]})
    result = app.test_cli_runner().invoke(args=["api", "deprecated-uses"])
    assert (result.exit_code, result.output) == (0, "No call is deprecated.\n")


def test_sunset_comes_after_the_deprecation() -> None:
    with pytest.raises(ValueError, match="lies after"):
        deprecated(since=SUNSET, sunset=SUNSET, successor="/api/v1/links")


def test_successor_has_the_parameters_of_the_call_alone() -> None:
    @deprecated(since=SINCE, sunset=SUNSET, successor="/api/v1/links/{code}/{id}")
    @public
    def view(code: str, user_id: str) -> None:
        """Do nothing."""

    with pytest.raises(ValueError, match="has no id for"):
        Blueprint("v9_news", __name__).add_url_rule("/<code>/<user_id>", None, view, methods=["GET"])
