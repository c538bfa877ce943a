"""app/api/access.py: marks, and the Authorization header."""

import pytest
from flask import Flask

from app.api import access, credentials
from app.api.blueprint import Blueprint
from app.errors import AuthRequired, InvalidToken


def test_route_without_a_mark_cannot_be_registered() -> None:
    blueprint = Blueprint("b", __name__)
    with pytest.raises(TypeError, match="unmarked carries no access mark"):

        @blueprint.get("/")
        def unmarked() -> str:
            return "x"


def test_mark_that_is_no_mark_is_none() -> None:
    def view() -> None: ...

    view._access = "public"  # type: ignore[attr-defined]  # what nobody should write
    with pytest.raises(TypeError):
        access.access_of(view)


def test_route_without_a_view_cannot_be_registered() -> None:
    with pytest.raises(TypeError):
        Blueprint("b", __name__).add_url_rule("/", "x")


@pytest.mark.parametrize(
    ("mark", "kind", "role"),
    [
        (access.public, "public", "user"),
        (access.token_bearer("refresh"), "token", "user"),
        (access.signed_in, "session", "user"),
        (access.scope("links:read"), "scope", "user"),
        (access.scope("admin", role="admin"), "scope", "admin"),
    ],
)
def test_marks_say_who_may(mark: object, kind: str, role: str) -> None:
    def view() -> None: ...

    assert callable(mark)
    found = access.access_of(mark(view))
    assert (found.kind, found.role) == (kind, role)


def test_unknown_scope_is_refused_when_the_route_is_written() -> None:
    with pytest.raises(ValueError, match="links:reed"):
        access.scope("links:reed")


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER abc", "Bearer   abc ", "bEaReR abc"])
def test_scheme_is_read_in_any_case(bare: Flask, header: str) -> None:
    with bare.test_request_context(headers={"Authorization": header}):
        assert credentials.bearer_token() == "abc"


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"Authorization": "   "}])
def test_no_credential_is_auth_required(bare: Flask, headers: dict[str, str]) -> None:
    with bare.test_request_context(headers=headers), pytest.raises(AuthRequired):
        credentials.bearer_token()


@pytest.mark.parametrize(
    "header", ["Basic YTpi", "Bearer", "Bearer ", "Token abc", "abc", "Bearer\tabc", "Bearerabc"]
)
def test_any_other_scheme_is_an_invalid_token(bare: Flask, header: str) -> None:
    with bare.test_request_context(headers={"Authorization": header}), pytest.raises(InvalidToken):
        credentials.bearer_token()
