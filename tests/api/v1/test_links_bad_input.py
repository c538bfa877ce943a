"""Bad input to /shorten and /links: each field of each body and query gets a 400 that names it, nothing is stored.

Many are tried in one test, since a refusal needs no database of its own.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.conftest import Caller
from tests.making import URL, add_domain, make_link, stored_links

HUGE = 10**400
NAN, INFINITY = float("nan"), float("inf")
NUL, SURROGATE = "a\0b", "a\ud800b"
NO_TEXT = [1, 1.5, True, [], {}, ["x"], HUGE, NAN]
NO_FLAG = [None, 0, 1, "true", "", [], {}, NAN]
NO_TIME = [
    *NO_TEXT,
    "",
    "tomorrow",
    "2030-01-01",
    "2030-01-01T00:00:00",
    "2030-01-01 00:00:00Z",
    "2030-13-01T00:00:00Z",
    "2030-02-30T00:00:00Z",
    "2030-01-01T25:00:00Z",
    "2030-01-01T00:00:00+24:00",
    "2030-01-01T00:00:00Z\n",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    NUL,
    SURROGATE,
    "2" * 10_000,
]
NO_CODE = ["", "a b", "a.b", "é", "abc\n", NUL, SURROGATE, "x" * 65, "docs", *NO_TEXT]
FIELDS: dict[str, list[Any]] = {
    "url": [
        None,
        "",
        " ",
        "example.com",
        "ftp://example.com/",
        "javascript:alert(1)",
        "http:///example.com",
        "http://user:pw@example.com/",
        "https://example.com/\0",
        "https://example.com/\ud800",
        "https://example.com/\u202e",
        URL + "x" * 2048,
        "http://sho.rt/s/x",
        *NO_TEXT,
    ],
    "title": [NUL, SURROGATE, "a\nb", "x" * 256, *NO_TEXT],
    "notes": [NUL, SURROGATE, "a\x1bb", "x" * 5001, *NO_TEXT],
    "tags": [
        "x",
        1,
        True,
        {},
        NAN,
        [1],
        [None],
        [[]],
        [""],
        [" "],
        [NUL],
        [SURROGATE],
        ["x" * 51],
        ["a"] * 21,
        [NAN],
    ],
    "redirect_status": [None, "302", 303, 300, 200, 0, -302, 302.5, True, [], {}, HUGE, NAN, INFINITY],
    "forward_query": NO_FLAG,
    "enabled": NO_FLAG,
    "starts_at": [*NO_TIME, "1999-12-31T23:59:59Z", "9999-01-01T00:00:00Z"],
    "expires_at": [*NO_TIME, "1999-12-31T23:59:59Z", "9999-01-01T00:00:00Z", "2020-01-01T00:00:00Z"],
    "max_clicks": [0, -1, 2**31, 1.5, "5", True, [], {}, HUGE, NAN, INFINITY],
    "password": ["", "x" * 129, NUL, SURROGATE, *NO_TEXT],
    "unknown": [None, 1, "x"],
    "clicks_used": [0],
    "owner_id": [1],
    "password_hash": ["x"],
    "é\0": [1],
}
READ_ONLY = (
    "short_url",
    "status",
    "has_password",
    "owner",
    "created_at",
    "updated_at",
    "_links",
    "clicks",
    "id",
)
CODE_AND_DOMAIN: dict[str, list[Any]] = {
    "code": NO_CODE,
    "domain": ["", "nowhere.example", "sho.rt ", NUL, SURROGATE, "x" * 260, *NO_TEXT],
}
SHORTEN = {
    "url": FIELDS["url"],
    "custom_code": NO_CODE,
    "expires_in": [0, -1, 315_360_001, 1.5, "60", True, [], {}, HUGE, NAN, INFINITY],
    "code": ["x"],
    "title": ["x"],
}
# call, the fields it has, and what is wrong with them
BODIES: list[tuple[str, str, dict[str, list[Any]]]] = [
    ("POST", "/links", {**FIELDS, **CODE_AND_DOMAIN, **{name: ["x"] for name in READ_ONLY}}),
    ("PUT", "/links/mine", {**FIELDS, "has_password": [*NO_FLAG, "x"], "id": [1]}),
    ("PUT", "/links/new", {"url": FIELDS["url"], "title": FIELDS["title"]}),
    ("PATCH", "/links/mine", {**FIELDS, "id": [1]}),
    ("POST", "/shorten", SHORTEN),
]
NO_UTF_8 = ["%FF", "%ED%A0%80"]  # the second is a lone surrogate
TEXT_QUERY = ["", "%00", "x" * 261]
TIME_QUERY = ["", "now", "2030-01-01", "2030-01-01T00:00:00", "2030-01-01T00:00:00+02:00", "%00", "9" * 3000]
DOMAIN_QUERY = {"domain": ["", "nowhere.example", "%00", "x" * 260], "unknown": ["1"], "page": ["1"]}
QUERIES: list[tuple[str, str, dict[str, list[str]]]] = [
    (
        "GET",
        "/links",
        {
            "limit": ["", "0", "101", "-1", "1.5", "x", "%00", "1e1", "+5", "٣", "9" * 3000, "NaN", "null"],
            "cursor": ["", "x", "%00", "x.y.z", "null"],
            "sort": [
                "",
                "id",
                "--code",
                "CODE",
                "code,",
                "code, title",
                "code,-code",
                "code,code",
                "%00",
                "x" * 300,
            ],
            "page": ["", "0", "1001", "-1", "1.5", "x", "1&cursor=x", "9" * 3000],
            "fields": ["", "id", "code,", "code,code", "code,owner_id", "-code", "%00"],
            "include_total": ["", "1", "TRUE", "yes"],
            "q": [*TEXT_QUERY, "x" * 101],
            "tag": [*TEXT_QUERY, "%20", "x" * 51],
            "status": ["", "gone", "ACTIVE", "%00", "active,expired"],
            "domain": ["", "nowhere.example", "%00", "x" * 260],
            "created_from": TIME_QUERY,
            "created_to": TIME_QUERY,
            "owner": ["", "%00", "x" * 41],
            "embed": ["", "stats", "clicks,clicks", "%00"],
            "unknown": [""],
        },
    ),
    ("GET", "/links/mine", {**DOMAIN_QUERY, "embed": ["", "stats", "%00"]}),
    ("DELETE", "/links/mine", DOMAIN_QUERY),
    ("POST", "/links/mine/restore", DOMAIN_QUERY),
    (
        "GET",
        "/links/mine/stats",
        {
            **DOMAIN_QUERY,
            "from": [*TIME_QUERY, "1999-01-01T00:00:00Z", "2099-01-01T00:00:00Z"],
            "to": [*TIME_QUERY, "2201-01-01T00:00:00Z", "0001-01-01T00:00:00Z"],
            "interval": ["", "year", "DAY", "%00"],
            "tz": [
                "",
                "Europe/Nowhere",
                "europe/berlin",
                "../etc/passwd",
                "/etc/passwd",
                "UTC+2",
                "%00",
                "x" * 300,
            ],
            "top": ["", "0", "101", "-1", "1.5", "%00"],
            "compare": ["", "next", "%00"],
            "start": ["2030-01-01T00:00:00Z"],
        },
    ),
]


def send(caller: Caller, method: str, path: str, body: str | bytes) -> TestResponse:
    return caller.call(method, path, data=body, headers={"Content-Type": "application/json"})


def is_named(answer: TestResponse, field: str) -> bool:
    """Whether it is a 400 in the one shape, with the field first among those named."""
    if answer.status_code != 400:
        return False
    error = answer.json["error"]
    named = str(error["field"])
    return (
        error["code"] in ("VALIDATION_ERROR", "MALFORMED_JSON")
        and error["code"] == answer.headers["X-Error-Code"]
        and (named == field or named.startswith(f"{field}."))
        and all(set(detail) == {"field", "message"} for detail in error.get("details", []))
    )


@pytest.fixture
def unchanged(app: Flask, alice: Caller) -> Iterator[None]:
    """A link `mine`, which must be the only one and unchanged at the end."""
    add_domain(app, "go.example.org")
    make_link(alice, code="mine", title="t", tags=["a"], password="secret", expires_at="2098-01-01T00:00:00Z")
    before = (stored_links(app), alice.get("/links/mine").json)
    yield
    assert (stored_links(app), alice.get("/links/mine").json) == before


@pytest.mark.asvs("2.2.1", "2.2.2")
@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("method", "path", "fields"), BODIES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_each_field_of_a_body_is_named(
    alice: Caller, method: str, path: str, fields: dict[str, list[Any]]
) -> None:
    wrong = []
    for field, values in fields.items():
        for value in values:
            answer = send(alice, method, path, json.dumps({"url": URL, field: value}))
            if not is_named(answer, field):
                wrong.append((field, repr(value)[:60], answer.status_code, answer.text[:200]))
    assert wrong == []


@pytest.mark.asvs("2.2.1")
@pytest.mark.usefixtures("unchanged")
def test_each_parameter_of_a_query_is_named(alice: Caller) -> None:
    wrong = []
    for method, path, fields in QUERIES:
        for field, values in fields.items():
            for value in [*values, f"x&{field}=y", *NO_UTF_8]:
                text = value if value.startswith(("%", "x&")) else quote(value, safe="+")
                answer = alice.call(method, f"{path}?{field}={text}")
                if not is_named(answer, field):
                    wrong.append((method, path, field, value[:60], answer.status_code, answer.text[:200]))
    assert wrong == []


@pytest.mark.usefixtures("unchanged")
def test_all_that_is_wrong_is_named_at_once(alice: Caller) -> None:
    body = {
        "url": "ftp://example.com/",
        "code": "a b",
        "domain": "nowhere.example",
        "title": 1,
        "tags": ["ok", "", 3],
        "starts_at": "2030-01-02T00:00:00Z",
        "expires_at": "2030-01-01T00:00:00Z",
        "max_clicks": 0,
        "unknown": 1,
    }
    expected = {"url", "code", "domain", "title", "tags.1", "tags.2", "expires_at", "max_clicks", "unknown"}
    details = alice.post("/links", json=body).json["error"]["details"]
    assert {detail["field"] for detail in details} == expected
    details = alice.patch("/links/mine", json={"url": "x", "title": 1, "unknown": 1}).json["error"]["details"]
    assert {detail["field"] for detail in details} == {"url", "title", "unknown"}


@pytest.mark.usefixtures("unchanged")
def test_what_is_no_object_of_json_is_refused(alice: Caller) -> None:
    valid = json.dumps({"url": URL})
    bodies: list[tuple[bytes, int, str]] = [
        (b"", 400, "MALFORMED_JSON"),
        (valid[:-1].encode(), 400, "MALFORMED_JSON"),
        (b'{"url": "https://a.example/", "url": "https://b.example/"}', 400, "MALFORMED_JSON"),
        (b'{"url": "https://a.example/\xff"}', 400, "MALFORMED_JSON"),
        (b"[" * 100_000 + b"]" * 100_000, 400, "MALFORMED_JSON"),
        (b'{"title": ' * 20_000 + b"1" + b"}" * 20_000, 400, "MALFORMED_JSON"),
        (b"null", 400, "VALIDATION_ERROR"),
        (b"[]", 400, "VALIDATION_ERROR"),
        (b'"x"', 400, "VALIDATION_ERROR"),
        (b"1", 400, "VALIDATION_ERROR"),
        (json.dumps({"url": URL, "title": "x" * 1_000_000}).encode(), 413, "PAYLOAD_TOO_LARGE"),
    ]
    for method, path, _ in BODIES:
        for body, status, code in bodies:
            answer = send(alice, method, path, body)
            assert (answer.status_code, answer.json["error"]["code"]) == (status, code), (method, body[:40])
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""):
            answer = alice.call(method, path, data=valid, headers={"Content-Type": kind})
            assert answer.status_code == 415, (method, kind)


def test_put_and_post_need_a_url(alice: Caller) -> None:
    for method, path in (("POST", "/links"), ("PUT", "/links/new"), ("POST", "/shorten")):
        answer = alice.call(method, path, json={})
        assert (answer.status_code, answer.json["error"]["field"]) == (400, "url"), path
