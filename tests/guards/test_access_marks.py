"""Who may call what is said by a mark on every route, and the mark is kept."""

import pytest
from flask import Flask

from tests.conftest import Caller, sign_up
from tests.guards.routes import PREFIX, Route, api_routes
from tests.security.test_tokens import assert_refused

# Doors that are open on purpose, and what opens them.
OPEN_DOORS = (
    *("health.", "docs.", "jwks.", "redirects.", "contexts.", "account_pages.", "callbacks."),
    "v1.openapi",
)


@pytest.mark.asvs("6.3.4")
def test_every_route_is_the_apis_or_an_open_door(house: Flask) -> None:
    known = {route.endpoint for route in api_routes()}
    others = {rule.endpoint for rule in house.url_map.iter_rules()} - known
    assert {name for name in others if not name.startswith(OPEN_DOORS)} == set()
    assert len(known) >= 12


@pytest.mark.asvs("6.3.4")
def test_only_registering_and_signing_in_are_public() -> None:
    public = {route.rule.removeprefix(PREFIX) for route in api_routes() if route.access.kind == "public"}
    by_mail = {"/auth/verify", "/auth/verify/resend", "/auth/password/forgot", "/auth/password/reset"}
    passkey = {"/auth/passkey", "/auth/passkey/options"}
    oidc = {"/auth/providers", "/auth/oidc/<provider>", "/auth/oidc/<provider>/complete"}
    assert public == {"/auth/register", "/auth/login", "/auth/email/confirm", *by_mail, *passkey, *oidc}


@pytest.mark.parametrize("route", [r for r in api_routes() if r.access.kind != "public"], ids=str)
@pytest.mark.parametrize("body", [b"", b"{", b"{}"])
def test_without_a_credential_nothing_else_is_told(house: Flask, route: Route, body: bytes) -> None:
    answer = house.test_client().open(
        route.path, method=route.method, data=body, content_type="application/json"
    )
    assert_refused(answer, "AUTH_REQUIRED")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("route", [r for r in api_routes() if r.access.kind != "public"], ids=str)
def test_bad_credential_is_refused(house: Flask, route: Route) -> None:
    headers = {"Authorization": "Bearer a.b.c"}
    assert_refused(house.test_client().open(route.path, method=route.method, headers=headers))


@pytest.mark.parametrize("route", [r for r in api_routes() if r.access.is_verified], ids=str)
def test_refresh_token_is_no_access_token(house: Flask, resident: Caller, route: Route) -> None:
    headers = {"Authorization": f"Bearer {resident.refresh_token}"}
    assert_refused(house.test_client().open(route.path, method=route.method, headers=headers))


@pytest.mark.asvs("8.2.1")
@pytest.mark.parametrize("route", [r for r in api_routes() if r.access.role != "user"], ids=str)
def test_role_below_the_mark_is_forbidden(house: Flask, route: Route) -> None:
    answer = sign_up(house, "user").call(route.method, route.path.removeprefix(PREFIX))
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "FORBIDDEN")
