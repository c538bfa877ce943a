"""POST /auth/login with `transport: "cookie"`, and what the cookies are good for."""

from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import Any

import pytest
import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from app import clock
from tests.conftest import PASSWORD, AppFactory, Caller, sign_up
from tests.making import URL

NAMES = ("access", "refresh", "csrf")


def sign_in(caller: Caller, **options: Any) -> str:
    """Sign in by cookie, with the caller's own client; return the CSRF token."""
    account = {"email": caller.email, "password": PASSWORD, "transport": "cookie"}
    answer = Caller(caller.client).post("/auth/login", json=account, **options)
    assert answer.status_code == 200, answer.text
    return str(answer.json["csrf_token"])


def browser(caller: Caller) -> Caller:
    """The same client without the bearer token: its cookies alone speak for it."""
    return Caller(caller.client, caller.id, caller.email)


def set_cookies(answer: TestResponse) -> dict[str, Any]:
    """The cookies that an answer sets: name > value and attributes."""
    found: SimpleCookie = SimpleCookie()
    for header in answer.headers.getlist("Set-Cookie"):
        found.load(header)
    return dict(found)


def values(caller: Caller) -> dict[str, str]:
    """The cookies that the client keeps."""
    kept = {name: caller.client.get_cookie(f"slugline_{name}") for name in NAMES}
    return {name: cookie.value for name, cookie in kept.items() if cookie}


def code_of(answer: TestResponse) -> str:
    return str(answer.json["error"]["code"])


@pytest.mark.asvs("3.3.1", "3.3.2", "3.3.3", "3.3.4", "3.3.5")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_over_https_each_cookie_is_this_hosts_alone(make_app: AppFactory) -> None:
    app = make_app(PUBLIC_URL="https://sho.rt", FORCE_HTTPS="true")
    client = app.test_client()
    account = {"email": "ada@example.org", "password": PASSWORD}
    options = {"base_url": "https://sho.rt"}
    client.post("/api/v1/auth/register", json=account, **options)
    answer = client.post("/api/v1/auth/login", json={**account, "transport": "cookie"}, **options)
    cookies = set_cookies(answer)
    assert set(cookies) == {f"__Host-slugline_{name}" for name in NAMES}
    for name, cookie in cookies.items():
        assert cookie["secure"] is True
        assert (cookie["path"], cookie["domain"]) == ("/", "")
        assert cookie["samesite"] == "Strict"
        assert int(cookie["max-age"]) == 7 * 86_400
        assert bool(cookie["httponly"]) is (name != "__Host-slugline_csrf")
    assert all(len(header) < 4096 for header in answer.headers.getlist("Set-Cookie"))


def test_without_https_the_names_are_plain(alice: Caller) -> None:
    account = {"email": alice.email, "password": PASSWORD, "transport": "cookie"}
    cookies = set_cookies(alice.post("/auth/login", json=account))
    assert set(cookies) == {f"slugline_{name}" for name in NAMES}
    assert not any(cookie["secure"] for cookie in cookies.values())


@pytest.mark.asvs("3.3.4", "10.1.1")
def test_no_token_is_in_the_body_or_readable_in_a_cookie(alice: Caller) -> None:
    account = {"email": alice.email, "password": PASSWORD, "transport": "cookie"}
    answer = alice.post("/auth/login", json=account)
    assert set(answer.json) == {"csrf_token", "expires_in"}
    assert answer.json["expires_in"] == 900
    kept = values(alice)
    assert kept["csrf"] == answer.json["csrf_token"]
    assert not any("." in kept[name] or kept[name].startswith("eyJ") for name in ("access", "refresh"))


@pytest.mark.parametrize("transport", ["Cookie", "", "header", None, 1, ["cookie"]])
def test_unknown_transport_is_400(anonymous: Caller, transport: Any) -> None:
    account = {"email": "a@example.org", "password": PASSWORD, "transport": transport}
    answer = anonymous.post("/auth/login", json=account)
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "transport")


def test_by_token_no_cookie_is_set(alice: Caller) -> None:
    account = {"email": alice.email, "password": PASSWORD, "transport": "token"}
    answer = alice.post("/auth/login", json=account)
    assert "access_token" in answer.json
    assert "Set-Cookie" not in answer.headers


def test_cookie_reads_and_with_its_token_changes(alice: Caller) -> None:
    token = sign_in(alice)
    page = browser(alice)
    assert page.get("/users/me").json["id"] == alice.id
    for headers, status in (({}, 403), ({"X-CSRF-Token": token}, 201)):
        answer = page.post("/links", json={"url": URL}, headers=headers)
        assert answer.status_code == status, answer.text
    assert len(alice_without_cookies(alice).get("/links").json["items"]) == 1


def alice_without_cookies(alice: Caller) -> Caller:
    return Caller(alice.client.application.test_client(), token=alice.token)


@pytest.mark.parametrize("header", ["Bearer {0}", "Bearer x", "Basic eDp5"])
def test_cookie_and_header_at_once_are_400(alice: Caller, header: str) -> None:
    """RFC 6750 §2. Sessions keep to the way they began, so no two ever speak of the same one."""
    token = sign_in(alice)
    headers = {"Authorization": header.format(alice.token), "X-CSRF-Token": token}
    for method, path in (("GET", "/users/me"), ("PATCH", "/users/me"), ("POST", "/auth/logout")):
        answer = browser(alice).call(method, path, headers=headers)
        assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR")


def test_cookie_is_no_bearer_token_and_a_token_no_cookie(alice: Caller) -> None:
    sign_in(alice)
    clean = Caller(alice.client.application.test_client())
    for name in ("access", "refresh"):
        for path in ("/users/me", "/auth/refresh"):
            method = "GET" if path == "/users/me" else "POST"
            headers = {"Authorization": f"Bearer {values(alice)[name]}"}
            assert clean.call(method, path, headers=headers).status_code == 401
    for own in (alice.token, alice.refresh_token):
        clean.client.set_cookie("slugline_access", own or "")
        assert code_of(clean.get("/users/me")) == "INVALID_TOKEN"


def test_refresh_cookie_opens_nothing_in_the_place_of_the_access_cookie(alice: Caller) -> None:
    sign_in(alice)
    alice.client.set_cookie("slugline_access", values(alice)["refresh"])
    assert code_of(browser(alice).get("/users/me")) == "INVALID_TOKEN"


def test_refresh_sets_the_next_pair_and_keeps_the_csrf_token(alice: Caller) -> None:
    token = sign_in(alice)
    before = values(alice)
    page = browser(alice)
    assert code_of(page.post("/auth/refresh")) == "CSRF_FAILED"
    answer = page.post("/auth/refresh", headers={"X-CSRF-Token": token})
    assert (answer.status_code, answer.json) == (200, {"csrf_token": token, "expires_in": 900})
    after = values(alice)
    assert after["access"] != before["access"]
    assert after["refresh"] != before["refresh"]
    assert after["csrf"] == before["csrf"]
    assert page.patch("/users/me", json={"name": "A"}, headers={"X-CSRF-Token": token}).status_code == 200


def test_refresh_goes_on_when_the_access_token_has_expired(alice: Caller) -> None:
    token = sign_in(alice)
    page = browser(alice)
    with time_machine.travel(clock.now().timestamp() + 901):
        assert page.get("/users/me").json["error"]["reason"] == "expired"
        assert page.post("/auth/refresh", headers={"X-CSRF-Token": token}).status_code == 200
        assert page.get("/users/me").status_code == 200


@pytest.mark.asvs("10.4.5")
def test_reused_refresh_cookie_ends_the_session_and_clears_the_cookies(alice: Caller) -> None:
    token = sign_in(alice)
    stolen = values(alice)["refresh"]
    page = browser(alice)
    assert page.post("/auth/refresh", headers={"X-CSRF-Token": token}).status_code == 200
    latest = values(alice)["access"]
    alice.client.set_cookie("slugline_refresh", stolen)
    answer = page.post("/auth/refresh", headers={"X-CSRF-Token": token})
    assert (answer.status_code, code_of(answer)) == (401, "TOKEN_REUSED")
    assert values(alice) == {}
    alice.client.set_cookie("slugline_access", latest)
    assert code_of(page.get("/users/me")) == "INVALID_TOKEN"


@pytest.mark.asvs("14.3.1")
def test_signing_out_ends_the_session_and_clears_the_cookies(alice: Caller) -> None:
    token = sign_in(alice)
    kept = values(alice)["access"]
    page = browser(alice)
    assert code_of(page.post("/auth/logout")) == "CSRF_FAILED"
    answer = page.post("/auth/logout", headers={"X-CSRF-Token": token})
    assert answer.status_code == 204
    assert values(alice) == {}
    alice.client.set_cookie("slugline_access", kept)
    assert code_of(page.get("/users/me")) == "INVALID_TOKEN"


@pytest.mark.parametrize("left", ["access", "refresh"])
def test_one_of_both_cookies_is_enough_to_sign_out(alice: Caller, left: str) -> None:
    token = sign_in(alice)
    alice.client.delete_cookie(f"slugline_{'refresh' if left == 'access' else 'access'}")
    assert browser(alice).post("/auth/logout", headers={"X-CSRF-Token": token}).status_code == 204


def account_of(app: Flask) -> Caller:
    """Somebody who has registered and never signed in: no token was signed here yet."""
    caller = Caller(app.test_client(), email="ada@example.org")
    account = {"email": caller.email, "password": PASSWORD}
    assert caller.post("/auth/register", json=account).status_code == 201
    return caller


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA", "RS256"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_first_sign_in_of_an_installation_may_be_by_cookie(app: Flask, algorithm: str) -> None:
    """The key that signs is made in the transaction of the sign-in: nobody can read it before that is committed."""
    page = account_of(app)
    app.config["JWT_ALGORITHM"] = algorithm
    sign_in(page)
    assert page.get("/users/me").status_code == 200


@pytest.mark.parametrize(("before", "after"), [("HS256", "EdDSA"), ("EdDSA", "HS256")])
def test_cookies_go_on_where_a_new_key_is_due(app: Flask, before: str, after: str) -> None:
    page = account_of(app)
    app.config["JWT_ALGORITHM"] = before
    headers = {"X-CSRF-Token": sign_in(page)}
    app.config["JWT_ALGORITHM"] = after
    assert page.post("/auth/refresh", headers=headers).status_code == 200
    assert page.patch("/users/me", json={}, headers=headers).status_code == 200


@pytest.mark.parametrize("after", ["HS256", "EdDSA"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sign_in_over_the_cookies_of_a_lost_key_is_good_at_once(app: Flask, after: str) -> None:
    """The old cookies are looked at between the making of the key and the commit."""
    page = account_of(app)
    app.config["JWT_ALGORITHM"] = "EdDSA"
    sign_in(page)
    app.config |= {"JWT_SECRET_KEY": "u7Tz!another one of thirty-two and more", "JWT_ALGORITHM": after}
    sign_in(page)
    assert page.get("/users/me").status_code == 200


@pytest.mark.asvs("7.2.4")
def test_new_sign_in_ends_the_session_whose_cookies_it_replaces(alice: Caller) -> None:
    """No session outlives the sign-in that was made in its place, and none that somebody planted is taken on."""
    sign_in(alice)
    first = values(alice)["access"]
    sign_in(alice)
    assert values(alice)["access"] != first
    assert browser(alice).get("/users/me").status_code == 200
    alice.client.set_cookie("slugline_access", first)
    assert code_of(browser(alice).get("/users/me")) == "INVALID_TOKEN"


@pytest.mark.asvs("7.2.4")
def test_sign_in_beside_a_planted_cookie_takes_nothing_of_it_on(alice: Caller) -> None:
    for name in NAMES:
        alice.client.set_cookie(f"slugline_{name}", "planted")
    token = sign_in(alice)
    assert "planted" not in values(alice).values()
    assert browser(alice).patch("/users/me", json={}, headers={"X-CSRF-Token": token}).status_code == 200


def test_dead_cookie_is_cleared_and_a_refused_change_is_not(alice: Caller) -> None:
    token = sign_in(alice)
    page = browser(alice)
    page.patch("/users/me", json={})
    assert set(values(alice)) == set(NAMES)
    alice_without_cookies(alice).delete("/auth/sessions")
    assert code_of(page.patch("/users/me", json={}, headers={"X-CSRF-Token": token})) == "INVALID_TOKEN"
    assert values(alice) == {}


def test_clock_that_is_behind_signs_nobody_out(alice: Caller) -> None:
    """Some seconds are let pass, also as a bearer; more are a 401 that takes no cookie away."""
    sign_in(alice)
    page = browser(alice)
    now = clock.now().timestamp()
    with time_machine.travel(now - 3):
        assert page.get("/users/me").status_code == alice_without_cookies(alice).get("/users/me").status_code
        assert page.get("/users/me").status_code == 200
    with time_machine.travel(now - 60):
        assert code_of(page.get("/users/me")) == "INVALID_TOKEN"
    assert set(values(alice)) == set(NAMES)
    assert page.get("/users/me").status_code == 200


def test_leeway_lengthens_no_life(alice: Caller) -> None:
    with time_machine.travel(clock.now().timestamp() + 901):
        assert alice.get("/users/me").json["error"]["reason"] == "expired"


def test_key_that_is_not_known_here_deletes_no_cookies(app: Flask, alice: Caller) -> None:
    """Another machine has made it, or the ring could not be read: the next call may find it."""
    sign_in(alice)
    secret = app.config["JWT_SECRET_KEY"]
    app.config["JWT_SECRET_KEY"] = "u7Tz!another one of thirty-two and more"
    app.extensions.pop("signing_keys", None)
    assert code_of(browser(alice).get("/users/me")) == "INVALID_TOKEN"
    app.config["JWT_SECRET_KEY"] = secret
    app.extensions.pop("signing_keys", None)
    assert browser(alice).get("/users/me").status_code == 200


def test_cookie_that_no_key_opens_is_deleted(alice: Caller) -> None:
    """No script could, and it would keep bearer tokens from being used beside it."""
    alice.client.set_cookie("slugline_access", "sealed by another SECRET_KEY")
    assert code_of(browser(alice).get("/users/me")) == "INVALID_TOKEN"
    assert values(alice) == {}


# What reaches us in `Cookie` when another host of the site, or a script on this one, sets cookies too.
PLANTED: dict[str, Callable[[dict[str, str]], str]] = {
    "in front": lambda own: f"slugline_access=x; slugline_access={own['access']}",
    "behind": lambda own: f"slugline_access={own['access']}; slugline_access=x",
    "the same twice": lambda own: "; ".join([f"slugline_access={own['access']}"] * 2),
    "second csrf": lambda own: (
        f"slugline_access={own['access']}; slugline_csrf=x; slugline_csrf={own['csrf']}"
    ),
}


@pytest.mark.asvs("15.3.7")
@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_cookie_that_comes_twice_is_400(alice: Caller, planted: str) -> None:
    sign_in(alice)
    client = alice.client.application.test_client(use_cookies=False)
    answer = client.get("/api/v1/users/me", headers={"Cookie": PLANTED[planted](values(alice))})
    assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR")


OTHER_NAMES = [
    *("Slugline_access", "slugline_access2", "__Secure-slugline_access", "__Host-slugline_access"),
    *("\u2000slugline_access".encode().decode("latin-1"), "\xa0slugline_access", "\x85slugline_access"),
    *("=slugline_access", "$slugline_access"),
]


@pytest.mark.parametrize("name", OTHER_NAMES, ids=ascii)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_name_that_only_looks_like_ours_is_another_cookie(alice: Caller, name: str) -> None:
    """What other hosts of the site may set past `__Host-`: names with spaces of Unicode before them, or none."""
    sign_in(alice)
    client = alice.client.application.test_client(use_cookies=False)
    answer = client.get("/api/v1/users/me", headers={"Cookie": f"{name}={values(alice)['access']}"})
    assert (answer.status_code, code_of(answer)) == (401, "AUTH_REQUIRED")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_plain_name_is_nothing_where_https_is_on(make_app: AppFactory) -> None:
    app = make_app(PUBLIC_URL="https://sho.rt")
    alice = sign_up(app, "alice")
    sign_in(alice, base_url="https://sho.rt")
    access = alice.client.get_cookie("__Host-slugline_access", "sho.rt")
    assert access is not None
    client = app.test_client(use_cookies=False)
    for name, status in (("slugline_access", 401), ("__Host-slugline_access", 200)):
        answer = client.get("/api/v1/users/me", headers={"Cookie": f"{name}={access.value}"})
        assert answer.status_code == status


@pytest.mark.asvs("11.3.3")
@pytest.mark.parametrize("value", ["", "x", "é", "a" * 3000, "eyJhbGciOiJub25lIn0.e30."])
def test_cookie_that_was_not_made_here_is_401(app: Flask, value: str) -> None:
    anonymous = Caller(app.test_client(use_cookies=False))
    answer = anonymous.get("/users/me", headers={"Cookie": f"slugline_access={value}"})
    assert (answer.status_code, code_of(answer)) == (401, "INVALID_TOKEN")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


# --- Who spends ---

LIMITED = {"RATELIMIT_ENABLED": "true", "LIMIT_ANONYMOUS": "20/minute", "LIMIT_USER": "50/minute"}


@pytest.fixture
def limited(make_app: AppFactory) -> Flask:
    return make_app(**LIMITED)


def bucket(answer: TestResponse) -> str:
    return str(answer.headers["RateLimit-Policy"]).partition("-")[0].strip('"')


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_good_cookie_spends_from_its_users_bucket_and_any_other_from_its_addresss(limited: Flask) -> None:
    alice = sign_up(limited, "alice")
    token = sign_in(alice)
    page = browser(alice)
    good = {"X-CSRF-Token": token}
    assert bucket(page.get("/users/me")) == "user"
    assert bucket(page.patch("/users/me", json={}, headers=good)) == "user"
    assert bucket(page.get("/nothing")) == "user"
    refused = [
        page.patch("/users/me", json={}),
        page.get("/users/me", headers={"Sec-Fetch-Site": "cross-site"}),
        page.get("/users/me", headers={"Authorization": "Bearer x"}),
        page.post("/nothing"),
        Caller(limited.test_client(use_cookies=False)).get(
            "/users/me", headers={"Cookie": "slugline_access=x"}
        ),
    ]
    assert [bucket(answer) for answer in refused] == ["anonymous"] * 5
