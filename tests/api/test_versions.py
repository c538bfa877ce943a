"""One package a version over the same nouns, and a 404 that lists the versions there are."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from marshmallow import Schema, fields

from app.accounts import users
from app.accounts.models import User
from app.api.access import current_principal, signed_in
from app.api.blueprint import Blueprint
from app.api.versions import Api
from tests.conftest import sign_up
from tests.guards.routes import METHODS
from tests.guards.test_error_shape import assert_one_shape
from tests.sharing import shared

ROOT = Path(__file__).resolve().parents[2]


class UserOut(Schema):
    """Of the same name as version 1's, and another shape."""

    id = fields.String(attribute="public_id")
    display_name = fields.String(attribute="name")


blueprint = Blueprint("v2_users", __name__, url_prefix="/users", description="Accounts anew.")


@blueprint.get("/me")
@signed_in
@blueprint.response(200, UserOut)
def get_me() -> User:
    """Read one's own account."""
    return users.get(current_principal().user_id)


@pytest.fixture(scope="module")
def app(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application that serves a second version beside the first."""
    with shared(sqlite_template, tmp_path_factory.mktemp("versions")) as app:
        api = Api(app, "v2", "Anew.")
        api.register_blueprint(blueprint)
        yield app


def test_both_versions_answer_from_the_same_noun(app: Flask) -> None:
    alice = sign_up(app, "alice")
    headers = {"Authorization": f"Bearer {alice.token}"}
    assert alice.client.get("/api/v2/users/me", headers=headers).json == {
        "id": alice.id,
        "display_name": "Alice",
    }
    assert alice.get("/users/me").json["name"] == "Alice"


def test_each_version_has_a_document_of_its_own(app: Flask) -> None:
    first, second = (app.test_client().get(f"/api/{version}/openapi.json").json for version in ("v1", "v2"))
    assert first == json.loads((ROOT / "openapi.json").read_text())
    assert set(second["paths"]) == {"/api/v2/users/me"}
    assert (second["info"]["version"], second["tags"]) == (
        "2",
        [{"name": "users", "description": "Accounts anew."}],
    )
    assert second["paths"]["/api/v2/users/me"]["get"]["tags"] == ["users"]
    assert set(second["components"]["schemas"]["UserOut"]["properties"]) == {"id", "display_name"}


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/v0",
        "/api/v3/",
        "/api/v3/links",
        "/api/V1/links",
        "/api/v1.0/links",
        "/api/banana/a/b",
    ],
)
def test_unknown_version_is_404_and_lists_those_there_are(app: Flask, path: str) -> None:
    client = app.test_client()
    for method in METHODS:
        answer = client.open(path, method=method)
        error = assert_one_shape(answer, 404, "NOT_FOUND")
        assert error["message"] == "There is no such version of the API; supported: v1, v2."
        assert error["reason"] == "unknown_version"
        assert answer.headers["Link"] == (
            '</api/v1/openapi.json>; rel="service-desc", </api/v2/openapi.json>; rel="service-desc", '
            '</docs>; rel="service-doc"'
        )
    assert client.head(path).status_code == 404


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/", "/api/v1/nothing", "/apis/v3", "/x/api/v3"])
def test_other_unknown_paths_list_nothing(app: Flask, path: str) -> None:
    answer = app.test_client().get(path)
    assert (answer.status_code, answer.json["error"]["message"]) == (404, "There is nothing here.")
    assert "Link" not in answer.headers
