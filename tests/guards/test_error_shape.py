"""Every error of every route, those of routes to come included, has the one shape and its true status."""

import io
import json
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.web import headers
from tests.conftest import Caller, sign_up
from tests.guards.routes import METHODS, PREFIX, Route, api_routes, paths

ROUTES = api_routes()
WITH_BODY = [route for route in ROUTES if route.takes_body]
DEEP = 100_000
MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "cut": b'{"url": "https://exam',
    "no JSON": b"url=https://example.com",
    "single quotes": b"{'url': 1}",
    "trailing comma": b'{"url": 1,}',
    "two texts": b"{} {}",
    "duplicate key": b'{"zzz": 1, "zzz": 2}',
    "duplicate key inside": b'{"zzz": {"a": 1, "a": 1}}',
    "NaN": b'{"zzz": NaN}',
    "NaN in a list of a list": b'{"zzz": [[NaN]]}',
    "infinity": b'{"zzz": -Infinity}',
    "1e999": b'{"zzz": 1e999}',
    "5,000 digits": b'{"zzz": ' + b"9" * 5000 + b"}",
    "100,000 deep": b"[" * DEEP + b"]" * DEEP,
    "100,000 deep, not closed": b'{"a":' * (DEEP // 2),
    "lone surrogate as a key": b'{"\\ud800": 1}',
    "not UTF-8": b'{"url": "\xff\xfe"}',
    "UTF-16": '{"url": 1}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "NUL": b"\x00",
}
NO_OBJECT = [b"[]", b"null", b"1", b'"text"', b"true", b'[{"url": 1}]']


def assert_one_shape(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body = json.loads(answer.data)
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) - {"details", "reason"} == {"code", "message", "field", "request_id"}
    assert error["code"] == code == answer.headers["X-Error-Code"]
    assert error["field"] is None or (isinstance(error["field"], str) and error["field"])
    for detail in error.get("details", [{"field": "x", "message": "x"}]):
        assert set(detail) == {"field", "message"}
        assert all(isinstance(text, str) and text for text in detail.values())
    sent = answer.headers["X-Error-Message"]
    assert sent.isascii()
    assert sent.isprintable()
    assert error["request_id"] == answer.headers["X-Request-ID"]
    for name in headers.ALWAYS | headers.UNLESS_SET:
        assert name in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    return error


def call(caller: Caller, route: Route, query: str = "", **options: Any) -> TestResponse:
    return caller.call(route.method, route.path.removeprefix(PREFIX) + query, **options)


@pytest.mark.parametrize("path", [*paths(), "/api", "/api/", "/api/v2/links", "/api/v1/"])
def test_unknown_path_is_404(resident: Caller, path: str) -> None:
    for method in METHODS:
        answer = resident.client.open(f"{path.rstrip('/')}/x/y/z", method=method)
        assert_one_shape(answer, 404, "NOT_FOUND")
    assert resident.client.head(f"{path.rstrip('/')}/x/y/z").status_code == 404


@pytest.mark.asvs("4.1.4", "13.4.4")
@pytest.mark.parametrize("path", paths())
def test_unanswered_method_is_405_and_allow_names_the_others(resident: Caller, path: str) -> None:
    answered = paths()[path]
    allowed = answered | {"OPTIONS"} | ({"HEAD"} if "GET" in answered else set())
    for method in {*METHODS, "TRACE", "PROPFIND", "QUERY"} - answered:
        answer = resident.client.open(path, method=method)
        assert_one_shape(answer, 405, "METHOD_NOT_ALLOWED")
        assert set(answer.headers["Allow"].split(", ")) == allowed
    options = resident.client.options(path)
    assert (options.status_code, set(options.headers["Allow"].split(", "))) == (200, allowed)


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_unknown_query_parameter_is_400(resident: Caller, route: Route) -> None:
    options = {"data": b"{}", "content_type": "application/json"} if route.takes_body else {}
    error = assert_one_shape(call(resident, route, "?zzz=1", **options), 400, "VALIDATION_ERROR")
    if not route.takes_body:
        assert error["field"] == "zzz"


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_long_address_is_414(resident: Caller, route: Route) -> None:
    assert_one_shape(call(resident, route, "?" + "q" * 5000), 414, "URI_TOO_LONG")


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("route", [r for r in ROUTES if r.method != "GET"], ids=str)
def test_large_body_is_413(resident: Caller, route: Route, chunked: bool) -> None:
    body = b'{"zzz": "' + b"x" * route.largest_body + b'"}'
    environ = {
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "CONTENT_TYPE": "application/json",
    }
    options: dict[str, Any] = {"environ_overrides": environ} if chunked else {"data": body}
    assert_one_shape(call(resident, route, **options), 413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
def test_body_of_another_type_is_415(resident: Caller, route: Route) -> None:
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "",
    ):
        answer = call(resident, route, data=b"{}", content_type=kind)
        assert_one_shape(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("kind", MALFORMED)
@pytest.mark.parametrize("route", WITH_BODY, ids=str)
def test_malformed_json_is_400(resident: Caller, route: Route, kind: str) -> None:
    answer = call(resident, route, data=MALFORMED[kind], content_type="application/json")
    assert_one_shape(answer, 400, "MALFORMED_JSON")


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
def test_malformed_json_in_chunks_is_400(resident: Caller, route: Route) -> None:
    environ = {
        "wsgi.input": io.BytesIO(b"{"),
        "wsgi.input_terminated": True,
        "CONTENT_TYPE": "application/json",
    }
    assert_one_shape(call(resident, route, environ_overrides=environ), 400, "MALFORMED_JSON")


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
def test_body_that_is_no_object_is_400(resident: Caller, route: Route) -> None:
    for body in NO_OBJECT:
        answer = call(resident, route, data=body, content_type="application/json")
        assert_one_shape(answer, 400, "VALIDATION_ERROR")


@pytest.mark.asvs("2.2.1", "15.3.3")
@pytest.mark.parametrize("route", WITH_BODY, ids=str)
def test_unknown_field_is_400_and_named(resident: Caller, route: Route) -> None:
    names = {"zzz": "zzz", "\x00": "\x00", "a.b": "a.b", "x" * 500: "x" * 100, "\U0001f600\n": "\U0001f600\n"}
    for name, shown in names.items():
        answer = call(resident, route, json={name: 1})
        error = assert_one_shape(answer, 400, "VALIDATION_ERROR")
        assert shown in [detail["field"] for detail in error["details"]]


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/docs", "/robots.txt", "/.well-known/security.txt"]
)
def test_other_pages_of_the_service_have_the_shape_too(house: Flask, path: str) -> None:
    for method in ("POST", "PUT", "DELETE"):
        answer = house.test_client().open(path, method=method)
        assert (answer.status_code, answer.json["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    missing = house.test_client().get(f"{path}x")
    assert (missing.status_code, missing.json["error"]["code"]) == (404, "NOT_FOUND")


@pytest.mark.asvs("1.2.4")
def test_no_path_is_an_error_of_ours_on_either_engine(app: Flask) -> None:
    """NUL and friends in a path: what PostgreSQL refuses to hold must not get there."""
    caller = sign_up(app, "caller")
    segments = [
        "%00",
        "a%00b",
        "%FF%FE",
        "%ED%A0%80",
        "%0A",
        "%20",
        "%2E%2E",
        "'%22%3B--",
        "%F0%9F%98%80",
        "x" * 3000,
    ]
    failed = []
    for route in (route for route in ROUTES if "<" in route.rule):
        for segment in segments:
            answer = caller.call(
                route.method, route.path.removeprefix(PREFIX).replace("x1", segment), json={}
            )
            if answer.status_code >= 500:
                failed.append((str(route), segment, answer.status_code))
    assert failed == []
