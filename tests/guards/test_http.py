"""What RFC 9110 asks of every route, those to come included: HEAD, OPTIONS, Accept, types of bodies."""

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.api import negotiation
from app.web.accept import PROBLEM
from tests.conftest import Caller
from tests.guards.routes import PREFIX, Route, api_routes, paths
from tests.guards.test_error_shape import assert_one_shape, call
from tests.making import make_link, send_picture

ROUTES = api_routes()
GETS = [route for route in ROUTES if route.method == "GET"]
DOCUMENTS = ["/api/v1/openapi.json", "/api/v1/contexts/link.jsonld"]
JWKS = "/.well-known/jwks.json"
PAGES = ["/docs", "/docs/errors", "/docs/swagger-ui.css", "/healthz", "/readyz", "/robots.txt", JWKS]
# What differs from one answer to the next, whichever their methods.
OWN = {"X-Request-ID", "Date", "Last-Modified"}


def real(resident: Caller, route: Route) -> str:
    """The route's path with what is there in place of its variables."""
    session = resident.get("/auth/sessions").json["items"][0]["id"]
    if route.rule.endswith("/avatar"):
        send_picture(resident)
    code = make_link(resident)["code"] if "<code>" in route.rule else ""
    named = route.rule.replace("<code>", code).replace("<user_id>", resident.id)
    if "<key_id>" in route.rule:
        key = resident.post("/api-keys", json={"name": "k", "scopes": ["links:read"]}).json["id"]
        named = named.replace("<key_id>", key)
    named = named.replace("<host>", "sho.rt")
    return named.replace("<session_id>", session)


def same_head(get: TestResponse, head: TestResponse) -> None:
    assert (head.status_code, head.data) == (get.status_code, b"")
    heads, gets = ({k: v for k, v in answer.headers.items() if k not in OWN} for answer in (head, get))
    assert heads == gets
    assert int(head.headers["Content-Length"]) == len(get.data)


@pytest.mark.parametrize("route", GETS, ids=str)
def test_head_is_get_without_a_body(resident: Caller, route: Route) -> None:
    path = real(resident, route).removeprefix(PREFIX)
    get = resident.get(path)
    assert get.status_code == 200, get.text
    same_head(get, resident.call("HEAD", path))
    bad = f"{path}?zzz=1"
    same_head(resident.get(bad), resident.call("HEAD", bad))
    stranger = Caller(resident.client)
    same_head(stranger.get(path), stranger.call("HEAD", path))


@pytest.mark.parametrize("path", [*DOCUMENTS, *PAGES, "/nothing", "/api/v1/nothing"])
def test_head_of_other_pages_too(house: Flask, path: str) -> None:
    client = house.test_client()
    with client.get(path) as get, client.head(path) as head:
        same_head(get, head)


@pytest.mark.parametrize("path", [*DOCUMENTS, *PAGES])
def test_other_pages_tell_their_methods(house: Flask, path: str) -> None:
    answer = house.test_client().options(path)
    assert answer.status_code == 200
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize("path", paths())
def test_options_tell_of_patches_where_there_are_some(resident: Caller, path: str) -> None:
    taken = resident.client.options(path).headers.get("Accept-Patch")
    assert taken == (", ".join(negotiation.PATCHES) if "PATCH" in paths()[path] else None)


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_accept_that_takes_nothing_is_406_and_all_else_is_not(resident: Caller, route: Route) -> None:
    """Logged out by none of these: 406 comes before the view, and an unknown parameter stops the others."""
    if route.access.kind == "token" and route.offers:
        resident = Caller(resident.client)  # its token is looked at in the view
    refused = call(resident, route, "?zzz=1", headers={"Accept": "image/gif, */*;q=0"})
    if not route.offers:
        assert refused.status_code in (400, 415)
        return
    error = assert_one_shape(refused, 406, "NOT_ACCEPTABLE")
    assert all(offer in error["message"] for offer in route.offers)
    for sent in (*route.offers, "*/*", "", PROBLEM, f"{PROBLEM}, {route.offers[0]}"):
        assert call(resident, route, "?zzz=1", headers={"Accept": sent}).status_code in (400, 415), sent


@pytest.mark.asvs("4.1.1")
@pytest.mark.parametrize("route", GETS, ids=str)
def test_answer_comes_in_each_type_that_is_offered(resident: Caller, route: Route) -> None:
    path = real(resident, route).removeprefix(PREFIX)
    for offer in route.offers:
        answer = resident.get(path, headers={"Accept": offer})
        assert (answer.status_code, answer.mimetype) == (200, offer)
        assert "Accept" in answer.vary


@pytest.mark.parametrize("route", [route for route in ROUTES if route.takes_body], ids=str)
def test_refused_body_learns_what_is_taken(resident: Caller, route: Route) -> None:
    name = "Accept-Patch" if route.method == "PATCH" else "Accept"
    for kind in ("text/plain", "application/json; charset=utf-16"):
        answer = call(resident, route, data=b"{}", content_type=kind)
        assert_one_shape(answer, 415, "UNSUPPORTED_MEDIA_TYPE")
        assert "application/json" in answer.headers[name]
    zipped = call(
        resident, route, data=b"{}", content_type="application/json", headers={"Content-Encoding": "gzip"}
    )
    assert_one_shape(zipped, 415, "UNSUPPORTED_MEDIA_TYPE")
    assert zipped.headers["Accept-Encoding"] == "identity"
    for kind in negotiation.PATCHES if route.method == "PATCH" else negotiation.BODIES:
        assert call(resident, route, data=b'{"zzz": 1}', content_type=kind).status_code == 400
