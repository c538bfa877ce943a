"""ETags, 304, If-Match and its kin, on links and accounts (RFC 9110 §13)."""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from werkzeug.http import http_date
from werkzeug.test import TestResponse

from app.api.negotiation import VERSIONED
from tests.conftest import AppFactory, Caller, sign_up
from tests.making import URL, from_now, let_pass, make_link, stored_link, stored_links

PAIRS = 100
FIELDS = {"/links/mine": "title", "/users/me": "name"}
RESOURCES = tuple(FIELDS)
TAG = re.compile(r'"([0-9]+)-([0-9a-f]{12})"')


@pytest.fixture
def tag(alice: Caller) -> str:
    """The ETag of alice's link `mine`."""
    make_link(alice, code="mine")
    return alice.get("/links/mine").headers["ETag"]


def ask(caller: Caller, method: str, path: str, json: Any = None, **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return caller.call(method, path, headers=named, **({} if json is None else {"json": json}))


def later_tag(tag: str) -> str:
    version, digest = TAG.fullmatch(tag).groups()  # type: ignore[union-attr]  # one of ours
    return f'"{int(version) + 1}-{digest}"'


def as_in_headers(time: str) -> str:
    """A time of a body as headers write it."""
    return http_date(datetime.fromisoformat(time))


@pytest.mark.parametrize("path", RESOURCES)
def test_tag_is_version_and_hash_of_the_body(alice: Caller, tag: str, path: str) -> None:
    for method in ("GET", "HEAD"):
        answer = alice.call(method, path)
        version, digest = TAG.fullmatch(answer.headers["ETag"]).groups()  # type: ignore[union-attr]  # or it fails
        assert (version, digest) == ("1", hashlib.sha256(alice.get(path).data).hexdigest()[:12])
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert "Authorization" in answer.headers["Vary"]


@pytest.mark.parametrize("path", RESOURCES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_has_it_gets_304_without_a_body(alice: Caller, tag: str, method: str, path: str) -> None:
    tag = alice.get(path).headers["ETag"]
    for sent in (tag, f"W/{tag}", "*", f'"other", {tag}'):
        answer = ask(alice, method, path, If_None_Match=sent)
        assert (answer.status_code, answer.data) == (304, b"")
        assert answer.headers["ETag"] == tag
        assert {"Cache-Control", "Vary", "X-Request-ID"} <= set(answer.headers.keys())
        assert not {"Content-Type", "Content-Length"} & set(answer.headers.keys())
    for sent in ('"other"', later_tag(tag), tag.replace("-", "-f")):
        assert ask(alice, method, path, If_None_Match=sent).status_code == 200


@pytest.mark.parametrize("path", RESOURCES)
def test_who_has_it_in_one_type_has_not_got_the_other(alice: Caller, tag: str, path: str) -> None:
    tag = alice.get(path).headers["ETag"]
    other = ask(alice, "GET", path, Accept=VERSIONED)
    assert other.headers["ETag"] != tag
    assert ask(alice, "GET", path, Accept=VERSIONED, If_None_Match=tag).status_code == 200
    assert ask(alice, "GET", path, Accept=VERSIONED, If_None_Match=other.headers["ETag"]).status_code == 304
    assert ask(alice, "PATCH", path, {FIELDS[path]: "x"}, If_Match=other.headers["ETag"]).status_code == 200


def test_a_state_that_time_changed_is_no_304(
    alice: Caller, monkeypatch: pytest.MonkeyPatch, tag: str
) -> None:
    tag = alice.patch("/links/mine", json={"expires_at": from_now(minutes=1)}).headers["ETag"]
    dated = {"If_Modified_Since": "Sat, 01 Jan 2099 00:00:00 GMT"}
    let_pass(monkeypatch, minutes=2)
    answer = ask(alice, "GET", "/links/mine", If_None_Match=tag)
    assert (answer.status_code, answer.json["status"]) == (200, "expired")
    assert answer.headers["Last-Modified"] == as_in_headers(answer.json["expires_at"])
    assert ask(alice, "GET", "/links/mine", **dated).status_code == 304
    since = as_in_headers(alice.get("/links/mine").json["updated_at"])
    assert ask(alice, "GET", "/links/mine", If_Modified_Since=since).status_code == 200


def test_last_modified_comes_a_second_late_and_is_obeyed(
    alice: Caller, monkeypatch: pytest.MonkeyPatch, tag: str
) -> None:
    """Within the second of a change another one may come, and its date would be the same."""
    let_pass(monkeypatch, seconds=0)  # and none of that second
    alice.patch("/links/mine", json={"title": "old"})
    assert "Last-Modified" not in alice.get("/links/mine").headers
    let_pass(monkeypatch, seconds=3)
    since = alice.get("/links/mine").headers["Last-Modified"]
    assert since == as_in_headers(alice.get("/links/mine").json["updated_at"])
    assert ask(alice, "GET", "/links/mine", If_Modified_Since=since).status_code == 304
    assert ask(alice, "GET", "/links/mine", If_Modified_Since="yesterday").status_code == 200
    both = {"If_Modified_Since": since, "If_None_Match": '"other"'}
    assert ask(alice, "GET", "/links/mine", **both).status_code == 200
    alice.patch("/links/mine", json={"title": "new"})
    let_pass(monkeypatch, seconds=9)
    assert ask(alice, "GET", "/links/mine", If_Modified_Since=since).status_code == 200


def test_link_with_a_click_limit_has_no_date(
    alice: Caller, monkeypatch: pytest.MonkeyPatch, tag: str
) -> None:
    alice.patch("/links/mine", json={"max_clicks": 5})
    let_pass(monkeypatch, seconds=3)
    assert "Last-Modified" not in alice.get("/links/mine").headers


def test_embedded_counts_have_no_tag(alice: Caller, tag: str) -> None:
    answer = alice.get("/links/mine?embed=clicks")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert "ETag" not in answer.headers
    assert "ETag" not in alice.get("/links").headers


def test_what_a_change_answers_is_what_get_shows(alice: Caller) -> None:
    made = alice.post("/links", json={"url": URL, "code": "mine"})
    answers = [
        made,
        alice.patch("/links/mine", json={"title": "t"}),
        alice.put("/links/mine", json={"url": URL}),
    ]
    alice.delete("/links/mine")
    answers.append(alice.post("/links/mine/restore"))
    for number, answer in enumerate(answers, 1):
        version, digest = TAG.fullmatch(answer.headers["ETag"]).groups()  # type: ignore[union-attr]  # or it fails
        assert digest == hashlib.sha256(answer.data).hexdigest()[:12]
        assert int(version) == number + (number == len(answers))  # the deletion is a version too
    assert [answer.headers["Content-Location"] for answer in answers[:3]] == ["/api/v1/links/mine"] * 3
    assert alice.get("/links/mine").headers["ETag"] == answers[-1].headers["ETag"]


@pytest.mark.parametrize("path", RESOURCES)
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_change_of_what_was_read_passes_and_of_an_older_one_is_412(
    alice: Caller, tag: str, method: str, path: str
) -> None:
    tag = alice.get(path).headers["ETag"]
    field = FIELDS[path]
    for sent in (
        later_tag(tag),
        f"W/{tag}",
        '"other"',
        '"1"',
        '""',
        "",
        tag.replace("1-", "99999999999999999999-"),
    ):
        answer = ask(alice, method, path, {field: "x"} if method == "PATCH" else None, If_Match=sent)
        assert (answer.status_code, answer.json["error"]["code"]) == (412, "PRECONDITION_FAILED"), sent
    # The version is compared, not the rest: time alone may have changed that (contract).
    for sent in (f'"other", {tag}', tag[:-13] + '0123456789ab"', "*"):
        assert ask(alice, "PATCH", path, {}, If_Match=sent).status_code == 200, sent
        tag = alice.get(path).headers["ETag"]
    changed = ask(alice, method, path, {field: "y"} if method == "PATCH" else None, If_Match=tag)
    assert changed.status_code == (200 if method == "PATCH" else 204)


def test_put_if_match_replaces_only_that_one(alice: Caller, tag: str) -> None:
    body = {"url": f"{URL}new"}
    assert ask(alice, "PUT", "/links/mine", body, If_Match=later_tag(tag)).status_code == 412
    assert ask(alice, "PUT", "/links/new", body, If_Match="*").status_code == 412
    assert alice.get("/links/new").status_code == 404
    assert ask(alice, "PUT", "/links/mine", body, If_Match=tag).status_code == 200
    assert ask(alice, "PUT", "/links/mine", body, If_Match=tag).status_code == 412


def test_put_if_none_match_star_makes_and_never_replaces(app: Flask, alice: Caller, bob: Caller) -> None:
    assert ask(alice, "PUT", "/links/mine", {"url": URL}, If_None_Match="*").status_code == 201
    assert ask(alice, "PUT", "/links/mine", {"url": f"{URL}2"}, If_None_Match="*").status_code == 412
    assert stored_link(app, "mine")["url"] == URL
    taken = ask(bob, "PUT", "/links/mine", {"url": f"{URL}2"}, If_None_Match="*")
    assert (taken.status_code, taken.json["error"]["code"]) == (409, "CODE_TAKEN")


def test_get_if_match_and_change_if_none_match(alice: Caller, tag: str) -> None:
    assert ask(alice, "GET", "/links/mine", If_Match=tag).status_code == 200
    assert ask(alice, "GET", "/links/mine", If_Match='"other"').status_code == 412
    assert ask(alice, "PATCH", "/links/mine", {"title": "x"}, If_None_Match=tag).status_code == 412
    assert ask(alice, "DELETE", "/links/mine", If_None_Match="*").status_code == 412
    assert ask(alice, "PATCH", "/links/mine", {"title": "x"}, If_None_Match=later_tag(tag)).status_code == 200


def test_if_unmodified_since_holds_unless_if_match_is_there(alice: Caller, tag: str) -> None:
    past, future = "Sat, 01 Jan 2000 00:00:00 GMT", "Sat, 01 Jan 2098 00:00:00 GMT"
    for path, field in FIELDS.items():
        late = ask(alice, "PATCH", path, {field: "x"}, If_Unmodified_Since=past)
        assert late.status_code == 412
        assert ask(alice, "PATCH", path, {field: "x"}, If_Unmodified_Since=future).status_code == 200
        assert ask(alice, "PATCH", path, {}, If_Unmodified_Since=past, If_Match="*").status_code == 200
    assert ask(alice, "DELETE", "/links/mine", If_Unmodified_Since=past).status_code == 412
    assert ask(alice, "DELETE", "/links/mine", If_Unmodified_Since=future).status_code == 204


def test_other_refusals_come_before_a_failed_precondition(alice: Caller, bob: Caller, tag: str) -> None:
    """RFC 9110 §13.2.1: a precondition is looked at where the call would succeed without it."""
    for status, caller, path, body in (
        (404, bob, "/links/mine", {"title": "x"}),
        (404, alice, "/links/none", {"title": "x"}),
        (400, alice, "/links/mine", {"title": 1}),
    ):
        assert ask(caller, "PATCH", path, body, If_Match='"other"').status_code == status
    assert ask(bob, "DELETE", "/links/mine", If_Match='"other"').status_code == 404


@pytest.mark.asvs("15.4.2")
@pytest.mark.parametrize(("path", "field"), [*FIELDS.items()])
def test_of_two_changes_of_one_version_exactly_one_is_made(
    app: Flask, alice: Caller, tag: str, path: str, field: str
) -> None:
    """100 pairs, each with one If-Match: no update is lost. (Without If-Match the second one wins: below.)"""
    tag = alice.get(path).headers["ETag"]
    two = [Caller(app.test_client(), token=alice.token) for _ in range(2)]
    together = Barrier(2)

    def change(number: int, caller: Caller) -> TestResponse:
        together.wait()
        return ask(caller, "PATCH", path, {field: f"{number} {id(caller)}"}, If_Match=tag)

    with ThreadPoolExecutor(2) as threads:
        for number in range(PAIRS if path == "/links/mine" else PAIRS // 5):
            answers = list(threads.map(change, [number, number], two))
            assert sorted(answer.status_code for answer in answers) == [200, 412]
            winner = next(answer for answer in answers if answer.status_code == 200)
            assert winner.headers["ETag"].startswith(later_tag(tag).split("-")[0])
            tag = winner.headers["ETag"]
    assert (alice.get(path).json[field], alice.get(path).headers["ETag"]) == (winner.json[field], tag)


def test_without_if_match_an_update_is_lost(alice: Caller, tag: str) -> None:
    """The control: what the pairs above are kept from."""
    for title in ("left", "right"):
        assert alice.patch("/links/mine", json={"title": title}).status_code == 200
    assert alice.get("/links/mine").json["title"] == "right"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_where_a_setting_demands_it_a_blind_change_is_428(make_app: AppFactory) -> None:
    caller = sign_up(make_app(REQUIRE_PRECONDITIONS="true"), "alice")
    tag = caller.post("/links", json={"url": URL, "code": "mine"}).headers["ETag"]
    for method, path, body in (
        ("PUT", "/links/mine", {"url": URL}),
        ("PUT", "/links/new", {"url": URL}),
        ("PATCH", "/links/mine", {}),
        ("DELETE", "/links/mine", None),
        ("PATCH", "/users/me", {}),
        ("DELETE", "/users/me", None),
    ):
        answer = ask(caller, method, path, body)
        assert (answer.status_code, answer.json["error"]["code"]) == (428, "PRECONDITION_REQUIRED")
    for said in ({"If_Unmodified_Since": "soon"}, {"If_None_Match": "garbage"}, {"If_None_Match": ""}):
        assert ask(caller, "PATCH", "/links/mine", {"title": "x"}, **said).status_code == 428, said
    assert ask(caller, "PUT", "/links/new", {"url": URL}, If_None_Match="*").status_code == 201
    assert ask(caller, "DELETE", "/links/mine", If_Match=tag).status_code == 204
    assert caller.delete("/auth/sessions").status_code == 204


def test_what_has_no_tag_can_be_matched_by_none(app: Flask, alice: Caller, tag: str) -> None:
    """RFC 9110 §13.1.1: such a call is not performed."""
    alice.delete("/links/mine")
    for method, path, body in (
        ("POST", "/links", {"url": URL}),
        ("POST", "/shorten", {"url": URL}),
        ("POST", "/links/batch", {"items": [{"op": "create", "link": {"url": URL}}]}),
        ("POST", "/links/mine/restore", None),
        ("DELETE", "/auth/sessions", None),
    ):
        answer = ask(alice, method, path, body, If_Match=tag)
        assert (answer.status_code, answer.json["error"]["code"]) == (412, "PRECONDITION_FAILED"), path
    assert [link["deleted_at"] is None for link in stored_links(app)] == [False]


def test_content_location_is_the_resource_whichever_call_shows_it(alice: Caller, tag: str) -> None:
    alice.delete("/links/mine")
    restored = alice.post("/links/mine/restore")
    shown = alice.get(restored.headers["Content-Location"].removeprefix("/api/v1"))
    assert (shown.data, shown.headers["ETag"]) == (restored.data, restored.headers["ETag"])


def test_a_clock_that_is_behind_is_no_fault(alice: Caller, monkeypatch: pytest.MonkeyPatch, tag: str) -> None:
    let_pass(monkeypatch, seconds=-60)
    assert alice.get("/links/mine").status_code == 200
