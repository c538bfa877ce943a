"""POST /links."""

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask

from app.links import codes
from tests.conftest import AppFactory, Caller, sign_up
from tests.making import URL, add_domain, follow, from_now, make_link, stored_link, stored_links

FULL = {
    "code": "Spring_26-a",
    "title": "Spring sale",
    "notes": "For April's newsletter.\nTwo lines.",
    "tags": ["sale", " mail ", "sale"],
    "redirect_status": 308,
    "forward_query": True,
    "enabled": False,
    "starts_at": "2026-01-01T12:00:00.123456+02:00",
    "expires_at": "2099-01-01T00:00:00Z",
    "max_clicks": 2**31 - 1,
    "password": "open sesame",
}


def test_url_alone_makes_a_link_with_all_else_by_default(alice: Caller) -> None:
    answer = alice.post("/links", json={"url": " HTTPS://Example.COM/a b?q=ü#top "})
    assert answer.status_code == 201
    link = dict(answer.json)
    code = link.pop("code")
    assert re.fullmatch(f"[{codes.ALPHABET}]{{7}}", code)
    assert answer.headers["Location"] == f"/api/v1/links/{code}"
    assert link.pop("created_at") == link.pop("updated_at")
    assert link.pop("_links") == {
        "self": {"href": f"/api/v1/links/{code}"},
        "stats": {"href": f"/api/v1/links/{code}/stats"},
        "short": {"href": f"http://sho.rt/s/{code}"},
    }
    assert link == {
        "domain": "sho.rt",
        "short_url": f"http://sho.rt/s/{code}",
        "url": "https://example.com/a%20b?q=%C3%BC#top",
        "title": None,
        "notes": None,
        "tags": [],
        "redirect_status": 302,
        "forward_query": False,
        "enabled": True,
        "starts_at": None,
        "expires_at": None,
        "max_clicks": None,
        "has_password": False,
        "status": "active",
        "blocked_reason": None,
        "owner": alice.id,
    }


def test_every_field_is_kept_and_the_password_only_as_a_hash(app: Flask, alice: Caller) -> None:
    link = make_link(alice, **FULL)
    assert link == {
        **link,
        **{name: value for name, value in FULL.items() if name != "password"},
        "tags": ["mail", "sale"],
        "starts_at": "2026-01-01T10:00:00.123Z",
        "expires_at": "2099-01-01T00:00:00.000Z",
        "has_password": True,
        "status": "disabled",
    }
    assert "password" not in link
    stored = stored_link(app, "Spring_26-a")["password_hash"]
    assert stored.startswith("pbkdf2:sha256:")
    assert "sesame" not in stored


def test_location_and_every_link_answer_to_the_owner(alice: Caller) -> None:
    for fields in ({}, {"enabled": False}, {"starts_at": from_now(days=1)}):
        answer = alice.post("/links", json={"url": URL, **fields})
        assert follow(alice, answer.headers["Location"]).json == answer.json
        assert ("short" in answer.json["_links"]) == (answer.json["status"] == "active")
        for name in ("self", "stats"):
            assert follow(alice, answer.json["_links"][name]["href"]).status_code == 200


def test_short_link_leads_to_the_target(alice: Caller) -> None:
    link = make_link(alice)
    answer = alice.client.get(link["_links"]["short"]["href"])
    assert (answer.status_code, answer.headers["Location"]) == (302, URL)


def test_null_means_default_where_a_field_may_be_empty(alice: Caller) -> None:
    names = ("code", "domain", "title", "notes", "tags", "starts_at", "expires_at", "max_clicks", "password")
    link = make_link(alice, **dict.fromkeys(names))
    assert (link["domain"], link["tags"], link["has_password"]) == ("sho.rt", [], False)


def test_bounds_are_within(alice: Caller) -> None:
    link = make_link(
        alice,
        code="c" * 64,
        title="t" * 255,
        notes="\N{GRINNING FACE}" * 5000,
        tags=[f"{number:02}" + "x" * 48 for number in range(20)],
        max_clicks=1,
        password="p" * 128,
    )
    assert len(link["notes"]) == 5000
    assert len(link["tags"]) == 20
    url = URL + "x" * (2048 - len(URL))
    assert make_link(alice, url=url)["url"] == url


def test_taken_code_is_409_whoever_has_it(app: Flask, alice: Caller, bob: Caller) -> None:
    make_link(alice, code="mine")
    for caller in (alice, bob):
        answer = caller.post("/links", json={"url": URL, "code": "mine"})
        assert answer.status_code == 409
        assert answer.json["error"]["code"] == "CODE_TAKEN"
        assert answer.json["error"]["field"] == "code"
    assert len(stored_links(app)) == 1


def test_codes_differ_by_case(alice: Caller) -> None:
    assert make_link(alice, code="Case")["short_url"] != make_link(alice, code="case")["short_url"]


@pytest.mark.asvs("2.3.4")
def test_sixteen_at_once_for_one_code_make_one_link(app: Flask, alice: Caller) -> None:
    together = Barrier(16)

    def create(_: int) -> int:
        caller = Caller(app.test_client(), token=alice.token)
        together.wait()
        return caller.post("/links", json={"url": URL, "code": "wanted"}).status_code

    with ThreadPoolExecutor(16) as threads:
        statuses = sorted(threads.map(create, range(16)))
    assert statuses == [201] + [409] * 15
    assert [link["code"] for link in stored_links(app)] == ["wanted"]


def test_random_code_that_is_taken_is_tried_again_longer(
    alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "ALPHABET", "x")
    made = [make_link(alice)["code"] for _ in range(5)]
    assert made == ["x" * length for length in (7, 8, 9, 10, 11)]
    assert alice.post("/links", json={"url": URL}).status_code == 503


def test_same_code_lives_on_another_domain(app: Flask, alice: Caller) -> None:
    add_domain(app, "go.example.org")
    make_link(alice, code="both")
    answer = alice.post("/links", json={"url": f"{URL}2", "code": "both", "domain": "GO.example.org"})
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/v1/links/both?domain=go.example.org"
    assert answer.json["domain"] == "go.example.org"
    assert answer.json["short_url"] == "http://go.example.org/s/both"
    assert follow(alice, answer.json["_links"]["self"]["href"]).json == answer.json
    assert follow(alice, answer.json["_links"]["stats"]["href"]).status_code == 200
    assert alice.get("/links/both?domain=sho.rt").json["url"] == URL
    assert make_link(alice, domain="sho.rt")["domain"] == "sho.rt"


def test_short_urls_ignore_the_host_header_and_follow_the_settings(make_app: AppFactory) -> None:
    app = make_app(PUBLIC_URL="https://Go.Example.org:8443", SHORT_PREFIX="/")
    caller = sign_up(app, "alice")
    answer = caller.post("/links", json={"url": URL, "code": "abc"}, headers={"Host": "evil.example"})
    assert answer.json["short_url"] == "https://go.example.org:8443/abc"
    assert answer.json["domain"] == "go.example.org:8443"
    assert "evil" not in answer.text + str(answer.headers)


def test_reserved_code_is_refused_in_any_case(alice: Caller) -> None:
    for code in ("docs", "API", "healthz"):
        answer = alice.post("/links", json={"url": URL, "code": code})
        assert (answer.status_code, answer.json["error"]["field"]) == (400, "code")


def test_own_short_links_are_no_targets(app: Flask, alice: Caller) -> None:
    add_domain(app, "go.example.org")
    for url in ("http://sho.rt/s/x", "https://GO.example.org./s/x", "http://127.0.0.1:8000/s/x"):
        answer = alice.post("/links", json={"url": url})
        assert (answer.status_code, answer.json["error"]["field"]) == (400, "url"), url
    assert make_link(alice, url="http://sho.rt/docs")["url"] == "http://sho.rt/docs"


def test_no_address_that_the_server_listens_on_is_a_target(make_app: AppFactory) -> None:
    caller = sign_up(make_app(WEB_BIND="203.0.113.9:8001,unix:/run/web.sock,:8002"), "alice")
    for url in ("http://203.0.113.9:8001/s/x", "http://localhost:8002/s/x"):
        answer = caller.post("/links", json={"url": url})
        assert (answer.status_code, answer.json["error"]["field"]) == (400, "url"), url
    assert caller.post("/links", json={"url": "http://203.0.113.9:8003/s/x"}).status_code == 201


def test_private_targets_are_a_setting(make_app: AppFactory) -> None:
    caller = sign_up(make_app(ALLOW_PRIVATE_TARGETS="false"), "alice")
    answer = caller.post("/links", json={"url": "http://192.168.1.1/"})
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "url")


@pytest.mark.asvs("2.3.2")
def test_new_links_spend_from_one_bucket_whichever_call_makes_them(make_app: AppFactory) -> None:
    caller = sign_up(make_app(RATELIMIT_ENABLED="true", LIMIT_CREATE="3/hour"), "alice")
    assert caller.post("/links", json={"url": URL, "code": "one"}).status_code == 201
    assert caller.post("/shorten", json={"url": URL}).status_code == 201
    assert caller.put("/links/two", json={"url": URL}).status_code == 201
    for refused in (
        caller.post("/links", json={"url": URL}),
        caller.post("/shorten", json={"url": URL}),
        caller.put("/links/three", json={"url": URL}),
    ):
        assert refused.status_code == 429
        assert refused.json["error"]["code"] == "RATE_LIMITED"
        assert int(refused.headers["Retry-After"]) >= 1
    assert caller.put("/links/one", json={"url": f"{URL}2"}).status_code == 200
    assert caller.post("/links", json={"url": "nonsense"}).status_code == 400


def test_whoever_is_not_signed_in_gets_401(anonymous: Caller) -> None:
    for method, path in (
        ("POST", "/links"),
        ("GET", "/links"),
        ("GET", "/links/x"),
        ("PUT", "/links/x"),
        ("PATCH", "/links/x"),
        ("DELETE", "/links/x"),
        ("POST", "/links/x/restore"),
        ("GET", "/links/x/stats"),
        ("POST", "/shorten"),
    ):
        assert anonymous.call(method, path, json={"url": URL}).status_code == 401, (method, path)
