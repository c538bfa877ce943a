"""The OpenAPI document is true of the routes, whole, and the one that is committed."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apispec.ext.marshmallow.common import resolve_schema_instance
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.guards.routes import METHODS, Route, api_routes

ROOT = Path(__file__).resolve().parents[2]
SECURITY = {
    "v1_auth.refresh": [{"refreshToken": []}, {"refreshCookie": []}],
    "v1_auth.logout": [
        {"accessToken": []},
        {"accessCookie": []},
        {"refreshToken": []},
        {"refreshCookie": []},
    ],
}


@pytest.fixture(scope="module")
def document(house: Flask) -> dict[str, Any]:
    made: dict[str, Any] = house.test_client().get("/api/v1/openapi.json").json
    return made


def template(rule: str) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)


def operation(document: dict[str, Any], route: Route) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][template(route.rule)][route.method.lower()]
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method.lower() in item:
                yield method, path, item[method.lower()]


def resolved(document: dict[str, Any], node: Any) -> Any:
    while isinstance(node, dict) and "$ref" in node:
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def test_document_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_committed_document_is_the_one_that_is_served(house: Flask) -> None:
    printed = house.test_cli_runner().invoke(args=["spec"])
    assert printed.exit_code == 0
    committed = (ROOT / "openapi.json").read_text(encoding="utf-8")
    assert committed == printed.output, "run: make spec"


def test_every_route_stands_in_it_and_nothing_else(document: dict[str, Any]) -> None:
    described = {(method, path) for method, path, _ in operations(document)}
    assert described == {(route.method, template(route.rule)) for route in api_routes()}


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [found["operationId"] for _, _, found in operations(document)]
    assert len(set(ids)) == len(ids)


def test_links_lead_to_operations_and_name_their_parameters_and_fields(document: dict[str, Any]) -> None:
    by_id = {found["operationId"]: (path, found) for _, path, found in operations(document)}
    links = [
        link
        for _, found in by_id.values()
        for response in found["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert links
    for link in links:
        path, target = by_id[link["operationId"]]
        named = [*document["paths"][path].get("parameters", []), *target.get("parameters", [])]
        assert link.get("parameters", {}).keys() <= {parameter["name"] for parameter in named}
        if "requestBody" in link:
            schema = target["requestBody"]["content"]["application/json"]["schema"]
            assert link["requestBody"].keys() <= resolved(document, schema)["properties"].keys()


@pytest.mark.parametrize("route", api_routes(), ids=str)
def test_operation_is_summed_up_and_grouped(document: dict[str, Any], route: Route) -> None:
    found = operation(document, route)
    assert re.fullmatch(r"[A-Z][^\n]{3,80}\.", found["summary"]), found["summary"]
    assert found["tags"]


@pytest.mark.parametrize("route", api_routes(), ids=str)
def test_operation_says_who_may(document: dict[str, Any], route: Route) -> None:
    found = operation(document, route)
    by_kind = [] if route.access.kind == "public" else [{"accessToken": []}, {"accessCookie": []}]
    if route.access.scope:
        by_kind += [{scheme: [route.access.scope]} for scheme in ("apiKey", "apiKeyHeader", "apiKeyBasic")]
        assert f"`{route.access.scope}`" in found["description"]
    assert found["security"] == SECURITY.get(route.endpoint, by_kind)


@pytest.mark.parametrize("route", [r for r in api_routes() if r.access.is_verified], ids=str)
def test_operation_says_what_a_key_is_refused_for(document: dict[str, Any], route: Route) -> None:
    response = resolved(document, operation(document, route)["responses"]["403"])
    told = {"FORBIDDEN", *(["INSUFFICIENT_SCOPE"] if route.access.scope else [])}
    assert told <= set(response["content"]["application/json"]["examples"])


@pytest.mark.parametrize("route", api_routes(), ids=str)
def test_change_by_cookie_names_the_csrf_token(document: dict[str, Any], route: Route) -> None:
    found = operation(document, route)
    named = [parameter["name"] for parameter in found.get("parameters", []) if parameter["in"] == "header"]
    assert ("X-CSRF-Token" in named) is (route.method != "GET" and route.access.kind != "public")


@pytest.mark.parametrize("route", api_routes(), ids=str)
def test_operation_names_every_query_parameter(house: Flask, document: dict[str, Any], route: Route) -> None:
    view: Any = house.view_functions[route.endpoint]
    taken = view._apidoc.get("arguments", {}).get("parameters", [])
    schemas = [resolve_schema_instance(p["schema"]) for p in taken if p["in"] == "query"]
    expected = {field.data_key or name for schema in schemas for name, field in schema.fields.items()}
    named = operation(document, route).get("parameters", [])
    assert {parameter["name"] for parameter in named if parameter["in"] == "query"} == expected


@pytest.mark.parametrize("route", api_routes(), ids=str)
def test_operation_lists_its_errors_in_the_one_shape(document: dict[str, Any], route: Route) -> None:
    responses = operation(document, route)["responses"]
    expected = {"400", "403", "414", "429", "500", "503"}
    expected |= {"401"} if route.access.kind != "public" else set()
    expected |= {"413", "415"} if route.takes_body else set()
    expected |= {"404"} if "<" in route.rule else set()
    assert expected <= set(responses)
    assert any(status.startswith("2") for status in responses)
    for status, response in responses.items():
        if status[0] in "45":
            content = resolved(document, response)["content"]["application/json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Error"}
            for example in content["examples"].values():
                assert set(example["value"]["error"]) >= {"code", "message", "field", "request_id"}
            sent = set(resolved(document, response)["headers"])
            assert {"X-Request-ID", "X-Error-Code"} <= sent
            assert "Retry-After" in sent or status not in ("429", "503")
            assert "WWW-Authenticate" in sent or status != "401"


@pytest.mark.parametrize("route", [r for r in api_routes() if r.takes_body], ids=str)
def test_body_has_an_example_that_names_its_fields(document: dict[str, Any], route: Route) -> None:
    content = operation(document, route)["requestBody"]["content"]
    for media in content.values():
        schema = resolved(document, media["schema"])
        own = [media.get("example"), schema.get("example"), *schema.get("examples", [])]
        own += [example["value"] for example in media.get("examples", {}).values()]
        whole = [example for example in own if example]
        fields = [resolved(document, field) for field in schema["properties"].values()]
        assert whole or any("example" in field or "examples" in field for field in fields)
        for example in whole:
            assert set(example) <= set(schema["properties"])
            assert set(schema.get("required", [])) <= set(example)
    assert ("application/merge-patch+json" in content) is (route.method == "PATCH")


@pytest.mark.parametrize("route", api_routes(), ids=str)
def test_success_names_its_headers(document: dict[str, Any], route: Route) -> None:
    for status, response in operation(document, route)["responses"].items():
        if status.startswith("2"):
            sent = set(resolved(document, response).get("headers", {}))
            assert {"X-Request-ID", "RateLimit", "RateLimit-Policy"} <= sent
            assert "Location" in sent or status != "201"


def test_every_group_of_calls_says_what_it_is(document: dict[str, Any]) -> None:
    assert [tag["name"] for tag in document["tags"] if not tag.get("description")] == []


def test_every_schema_is_used_and_closed_where_it_comes_in(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name
