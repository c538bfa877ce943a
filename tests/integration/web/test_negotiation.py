"""Accept and Content-Type: what is sent and taken as what, and how errors come."""

import re
from html import unescape

import pytest
from flask import Flask

from app.web.accept import PROBLEM
from tests.conftest import Caller
from tests.integration.web.conftest import Shape
from tests.making import URL, make_link, stored_links
from tests.unit.test_error_table import every_refusal

JSON, VERSIONED = "application/json", "application/vnd.slugline.v1+json"


def accept(value: str) -> dict[str, dict[str, str]]:
    return {"headers": {"Accept": value}}


@pytest.mark.parametrize(
    ("sent", "came"),
    [
        (VERSIONED, VERSIONED),
        (f"{JSON};q=0.5, {VERSIONED}", VERSIONED),
        (f"{VERSIONED}, */*", VERSIONED),
        ("*/*", JSON),
        ("application/*", JSON),
        (PROBLEM, JSON),
        (f"{PROBLEM}, {JSON}", JSON),
    ],
)
def test_answer_says_what_was_chosen(alice: Caller, sent: str, came: str) -> None:
    answer = alice.post("/links", json={"url": URL}, **accept(sent))
    assert (answer.status_code, answer.content_type) == (201, came)
    assert "Accept" in answer.vary
    read = alice.get(f"/links/{answer.json['code']}")
    assert (read.content_type, read.json) == (JSON, answer.json)


def test_refused_accept_makes_no_link(app: Flask, alice: Caller, one_shape: Shape) -> None:
    for path, body in (("/links", {"url": URL}), ("/shorten", {"url": URL})):
        answer = alice.post(path, json=body, **accept("text/html, image/*;q=0.8"))
        error = one_shape(answer, 406, "NOT_ACCEPTABLE")
        assert VERSIONED in error["message"]
        assert "Accept" in answer.vary
    assert stored_links(app) == []


def test_answer_without_content_has_nothing_to_choose(alice: Caller) -> None:
    link = make_link(alice)
    answer = alice.delete(f"/links/{link['code']}", **accept("text/html"))
    assert answer.status_code == 204
    assert "Accept" not in answer.vary


@pytest.mark.parametrize(
    ("query", "sent", "came"),
    [
        ("", "", "text/csv; charset=utf-8"),
        ("", "*/*", "text/csv; charset=utf-8"),
        ("", JSON, JSON),
        ("", f"text/csv;q=0.5, {JSON}", JSON),
        ("?format=json", "*/*", JSON),
        ("?format=csv", f"{JSON};q=0.9, text/*;q=0.1", "text/csv; charset=utf-8"),
        ("?format=csv", JSON, None),
        ("?format=json", "text/csv", None),
        ("", VERSIONED, None),
    ],
)
def test_export_comes_as_asked_in_the_query_else_as_accepted(
    alice: Caller, query: str, sent: str, came: str | None
) -> None:
    answer = alice.get(f"/stats/export{query}", **accept(sent))
    assert (answer.status_code, answer.content_type) == ((200, came) if came else (406, JSON))


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_body_may_be_named_for_the_version(alice: Caller, method: str) -> None:
    path = "/links" if method == "POST" else f"/links/{make_link(alice)['code']}"
    answer = alice.call(method, path, data='{"url": "https://example.com/x"}', content_type=VERSIONED)
    assert answer.json["url"] == "https://example.com/x"


@pytest.mark.parametrize(
    ("changed", "header", "value"),
    [
        ({"content_type": "text/plain"}, "Accept", f"{JSON}, {VERSIONED}"),
        ({"content_type": "application/merge-patch+json"}, "Accept", f"{JSON}, {VERSIONED}"),
        ({"content_type": "application/json; charset=latin-1"}, "Accept", f"{JSON}, {VERSIONED}"),
        ({"headers": {"Content-Encoding": "gzip"}}, "Accept-Encoding", "identity"),
    ],
)
def test_refused_body_learns_what_is_taken(
    alice: Caller, one_shape: Shape, changed: dict[str, object], header: str, value: str
) -> None:
    answer = alice.post("/links", **{"data": '{"url": "x"}', "content_type": JSON, **changed})
    one_shape(answer, 415, "UNSUPPORTED_MEDIA_TYPE")
    assert answer.headers[header] == value
    assert "Accept-Patch" not in answer.headers


def test_patch_tells_what_it_takes(alice: Caller) -> None:
    path = f"/links/{make_link(alice)['code']}"
    refused = alice.patch(path, data="{}", content_type="application/json-patch+json")
    assert refused.status_code == 415
    options = alice.call("OPTIONS", path)
    for answer in (refused, options):
        taken = answer.headers["Accept-Patch"].split(", ")
        assert taken == [JSON, "application/merge-patch+json", VERSIONED]
    for kind in taken:
        assert alice.patch(path, data='{"title": "x"}', content_type=kind).status_code == 200
    assert "Accept-Patch" not in alice.call("OPTIONS", "/links").headers


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing", "/api/v1/users/me", "/nowhere", "/s/nothing", "/healthz/x"]
)
def test_every_error_comes_as_a_problem(app: Flask, path: str) -> None:
    answer = app.test_client().get(path, headers={"Accept": f"{PROBLEM}, text/html;q=0.9"})
    assert answer.content_type == PROBLEM
    problem = answer.json
    assert problem["status"] == answer.status_code
    assert problem["code"] == answer.headers["X-Error-Code"]
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert {"type", "title", "detail", "instance"} <= set(problem)
    assert "Accept" in answer.vary


def test_error_is_told_to_who_takes_nothing_of_ours(anonymous: Caller, one_shape: Shape) -> None:
    for sent in ("text/html", "*/*;q=0", f"{PROBLEM};q=0", VERSIONED, "*/*"):
        one_shape(anonymous.get("/users/me", **accept(sent)), 401, "AUTH_REQUIRED")


def test_type_of_a_problem_leads_to_what_its_code_means(app: Flask, anonymous: Caller) -> None:
    problem = anonymous.get("/users/me", **accept(PROBLEM)).json
    page, _, code = problem["type"].removeprefix("http://sho.rt").partition("#")
    answer = app.test_client().get(page)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert f'id="{code}"' in answer.text
    assert problem["title"] in unescape(answer.text)
    shown = re.findall(r'id="(\w+)"', answer.text)
    assert {kind.code for kind in every_refusal()} <= set(shown)
