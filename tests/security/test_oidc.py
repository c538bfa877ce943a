"""Signing in at an OpenID provider: what an attacker may try, on either side of it."""

import hashlib
import hmac
import json
import socket
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import RSAKey
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from app import database
from app.accounts.models import Identity, Session, SignInFlow, User
from app.accounts.oidc import asking, publishing
from app.accounts.users import email_key
from app.audit.models import AuditEvent
from tests.conftest import PASSWORD, Caller, sign_up
from tests.e2e.processes import PATIENCE
from tests.factors import with_totp
from tests.issuer import CLIENT_ID, CLIENT_SECRET, Issuer, Signed, answer, issuing, lend, made_key, parameters
from tests.mailbox import asked, mails, token_of
from tests.making import let_pass
from tests.sharing import shared

BEGIN, COMPLETE = "/auth/oidc/house", "/auth/oidc/house/complete"
LINK, COMPLETE_LINK = "/auth/oidc/house/link", "/auth/oidc/house/link/complete"
DISCOVERY = "/.well-known/openid-configuration"
FRONTEND = "https://app.example.org"
KEY, OWN = made_key("first"), made_key("first")  # the provider's, and a forger's under its name


@pytest.fixture(scope="module")
def honest() -> Iterator[Issuer]:
    with issuing() as running:
        yield running


@pytest.fixture(scope="module")
def house(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    settings = {"GUESSES_LOGIN_IP": "none", "CORS_ORIGINS": FRONTEND}
    with shared(sqlite_template, tmp_path_factory.mktemp("house"), **settings) as app:
        yield app


@pytest.fixture
def issuer(honest: Issuer, house: Flask) -> Issuer:
    """An honest provider, until a test makes it another; each time it knows somebody else."""
    honest.__dict__.update(vars(Issuer(honest.url, KEY)))
    honest.claims = {"sub": f"sub-{time.monotonic_ns()}", "email": None}
    lend(house, honest)
    return honest


@pytest.fixture
def browser(house: Flask, issuer: Issuer) -> Caller:
    return Caller(house.test_client())


def begun(caller: Caller, path: str = BEGIN, return_to: str = "/app") -> str:
    """The URL to go on at."""
    answered = caller.post(path, json={"return_to": return_to})
    assert answered.status_code == 200, answered.text
    return str(answered.json["authorization_url"])


def back(issuer: Issuer, url: str) -> dict[str, str]:
    """What the provider sends the browser back with."""
    return {"code": issuer.code(url), "state": parameters(url)["state"]}


def signed_in(caller: Caller, issuer: Issuer) -> TestResponse:
    return caller.post(COMPLETE, json=back(issuer, begun(caller)))


def as_somebody(issuer: Issuer, **claims: Any) -> None:
    """The provider has the person's address verified."""
    issuer.claims |= {"email": f"p{time.monotonic_ns()}@example.org", **claims}


def assert_refused(answered: TestResponse, status: int = 401, code: str = "INVALID_CREDENTIALS") -> None:
    assert (answered.status_code, answered.headers.get("X-Error-Code")) == (status, code), answered.text
    assert "access_token" not in answered.text


def rows(app: Flask, model: Any) -> int:
    with app.app_context(), database.reading() as connection:
        return len(connection.execute(select(model.__table__)).all())


def latest_event(app: Flask) -> tuple[Any, ...]:
    """Action, outcome, and what came of it."""
    with app.app_context(), database.reading() as connection:
        query = select(AuditEvent.action, AuditEvent.outcome, AuditEvent.after)
        return tuple(connection.execute(query.order_by(AuditEvent.id.desc()).limit(1)).one())


def test_honest_sign_in_makes_an_account_and_a_session(browser: Caller, issuer: Issuer) -> None:
    """The control of all that is refused here."""
    as_somebody(issuer)
    answered = signed_in(browser, issuer)
    assert answered.status_code == 200, answered.text
    browser.token = answered.json["access_token"]
    assert browser.get("/users/me").json["email"] == issuer.claims["email"]


# --- The browser that it was begun in, once ---


@pytest.mark.asvs("7.6.2", "10.1.2", "10.2.1")
def test_state_of_another_browser_is_refused(house: Flask, browser: Caller, issuer: Issuer) -> None:
    """Login CSRF: an attacker's callback, opened in the victim's browser."""
    as_somebody(issuer)
    attackers = back(issuer, begun(Caller(house.test_client())))
    begun(browser)
    assert_refused(browser.post(COMPLETE, json=attackers), 403, "CSRF_FAILED")
    assert_refused(browser.get(f"{BEGIN}/callback", query_string=attackers), 403, "CSRF_FAILED")


@pytest.mark.asvs("10.1.2", "10.2.1")
def test_without_the_cookie_nothing_is_completed(house: Flask, browser: Caller, issuer: Issuer) -> None:
    as_somebody(issuer)
    returned = back(issuer, begun(browser))
    assert_refused(Caller(house.test_client()).post(COMPLETE, json=returned), 403, "CSRF_FAILED")
    assert browser.post(COMPLETE, json=returned).status_code == 200


@pytest.mark.asvs("3.3.2", "3.3.4")
def test_cookie_is_for_this_browser_and_no_script(browser: Caller) -> None:
    cookie = browser.post(BEGIN, json={"return_to": "/"}).headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


@pytest.mark.asvs("3.3.1", "3.3.3")
def test_cookie_is_locked_to_the_host_where_there_is_https(browser: Caller, house: Flask) -> None:
    house.config["PUBLIC_URL"] = "https://sho.rt"
    cookie = browser.post(BEGIN, json={"return_to": "/"}).headers["Set-Cookie"]
    house.config["PUBLIC_URL"] = "http://sho.rt"
    assert cookie.startswith("__Host-slugline-oidc=")
    assert "Secure" in cookie.split("; ")


def test_state_is_good_once(browser: Caller, issuer: Issuer) -> None:
    as_somebody(issuer)
    url = begun(browser)
    [kept] = browser.client._cookies.values()
    assert browser.post(COMPLETE, json=back(issuer, url)).status_code == 200
    browser.client.set_cookie(kept.key, kept.value)
    assert_refused(browser.post(COMPLETE, json=back(issuer, url)), 403, "CSRF_FAILED")


def test_state_is_used_up_by_a_code_that_is_not_good(browser: Caller, issuer: Issuer) -> None:
    as_somebody(issuer)
    url = begun(browser)
    [kept] = browser.client._cookies.values()
    assert_refused(browser.post(COMPLETE, json={**back(issuer, url), "code": "guessed"}))
    browser.client.set_cookie(kept.key, kept.value)
    assert_refused(browser.post(COMPLETE, json=back(issuer, url)), 403, "CSRF_FAILED")


def test_state_is_good_for_ten_minutes(
    browser: Caller, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_somebody(issuer)
    returned = back(issuer, begun(browser))
    let_pass(monkeypatch, minutes=10, seconds=1)
    assert_refused(browser.post(COMPLETE, json=returned), 403, "CSRF_FAILED")


def test_code_is_good_once(browser: Caller, issuer: Issuer) -> None:
    as_somebody(issuer)
    used = back(issuer, begun(browser))
    assert browser.post(COMPLETE, json=used).status_code == 200
    again = {**used, "state": parameters(begun(browser))["state"]}
    assert_refused(browser.post(COMPLETE, json=again))


@pytest.mark.asvs("10.1.2")
def test_code_of_another_sign_in_lacks_the_verifier(house: Flask, browser: Caller, issuer: Issuer) -> None:
    """A stolen code, injected into a sign-in of the thief's own (PKCE, RFC 9700 §2.1.1)."""
    as_somebody(issuer)
    stolen = issuer.code(begun(browser))
    thief = Caller(house.test_client())
    own = {"code": stolen, "state": parameters(begun(thief))["state"]}
    assert_refused(thief.post(COMPLETE, json=own))


@pytest.mark.asvs("10.2.1")
def test_url_holds_a_challenge_and_neither_secret(browser: Caller, issuer: Issuer) -> None:
    sent = parameters(begun(browser))
    [kept] = browser.client._cookies.values()
    assert (sent["response_type"], sent["code_challenge_method"]) == ("code", "S256")
    assert len(sent["code_challenge"]) == 43 and len(sent["nonce"]) == 43 and len(sent["state"]) == 43
    assert sent["redirect_uri"] == "http://sho.rt/api/v1/auth/oidc/house/callback"
    assert kept.value not in json.dumps(sent)


@pytest.mark.asvs("10.1.2")
def test_database_gives_no_sign_in_away(house: Flask, browser: Caller, issuer: Issuer) -> None:
    state = parameters(begun(browser))["state"]
    [kept] = browser.client._cookies.values()
    with house.app_context(), database.reading() as connection:
        stored = str(connection.execute(select(SignInFlow.__table__)).all())
    assert state not in stored and kept.value not in stored


# --- The ID token ---


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def unsigned_part(alg: str, claims: dict[str, Any]) -> str:
    return ".".join(b64(json.dumps(part).encode()) for part in ({"alg": alg, "kid": "first"}, claims))


def hs256(key: bytes) -> Signed:
    """By hand: no library signs with a public key."""

    def sign(_: Issuer, claims: dict[str, Any]) -> str:
        body = unsigned_part("HS256", claims)
        return f"{body}.{b64(hmac.digest(key, body.encode(), 'sha256'))}"

    return sign


def signed_by(key: RSAKey, algorithm: str = "RS256", **header: Any) -> Signed:
    return lambda _, claims: jwt.encode(
        {"alg": algorithm, "kid": "first", **header}, claims, key, algorithms=[algorithm]
    )


def unsigned(alg: str) -> Signed:
    return lambda _, claims: f"{unsigned_part(alg, claims)}."


def with_public_key(issuer: Issuer, claims: dict[str, Any]) -> str:
    """The old confusion: the public key as if it were a shared secret."""
    return hs256(issuer.key.as_pem(private=False))(issuer, claims)


SIGNED: dict[str, Signed] = {
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "alg empty": unsigned(""),
    "HS256 with the client secret": hs256(CLIENT_SECRET.encode()),
    "HS256 with the public key": with_public_key,
    "another key": signed_by(OWN),
    "another key, in a jwk header": signed_by(OWN, jwk=OWN.as_dict(private=False)),
    "another key, by a jku header": signed_by(OWN, jku="http://127.0.0.1:1/keys"),
    "unknown kid": signed_by(OWN, kid="third"),
    "RS512, which discovery does not offer": lambda issuer, claims: signed_by(issuer.key, "RS512")(
        issuer, claims
    ),
    "no token": lambda _issuer, _claims: "a.b.c",
    "not text": lambda _issuer, _claims: "\u00e9.\u00e9.\u00e9",
    "deep header": lambda _issuer, _claims: urlsafe_b64encode(b"[" * 50_000).decode() + ".x.x",
}


@pytest.mark.parametrize("name", SIGNED)
@pytest.mark.asvs("6.8.2", "9.1.1", "9.1.2", "9.1.3")
def test_token_that_the_provider_did_not_sign_is_refused(browser: Caller, issuer: Issuer, name: str) -> None:
    as_somebody(issuer)
    issuer.sign = SIGNED[name]
    assert_refused(signed_in(browser, issuer))


def test_the_same_tools_make_a_good_token(browser: Caller, issuer: Issuer) -> None:
    """The control: only the key is wrong above."""
    as_somebody(issuer)
    issuer.sign = signed_by(issuer.key)
    assert signed_in(browser, issuer).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another client"},
        {"aud": None},
        {"aud": ["another client", "a third"]},
        {"aud": [CLIENT_ID, "another client"]},
        {"aud": [CLIENT_ID, "another client"], "azp": "another client"},
        {"azp": "another client"},
        {"nonce": "another sign-in's"},
        {"nonce": None},
        {"exp": 1_700_000_000},
        {"exp": None},
        {"exp": "soon"},
        {"exp": [1]},
        {"iat": 9_999_999_999},
        {"iat": None},
        {"nbf": 9_999_999_999},
        {"sub": None},
        {"sub": ["x"]},
        {"at_hash": b64(hashlib.sha256(b"another").digest()[:16])},
    ],
    ids=str,
)
@pytest.mark.asvs("9.2.1", "9.2.3", "10.5.1", "10.5.4")
def test_token_for_somebody_else_is_refused(browser: Caller, issuer: Issuer, claims: dict[str, Any]) -> None:
    as_somebody(issuer, **claims)
    assert_refused(signed_in(browser, issuer))


def test_several_audiences_pass_where_the_token_is_ours(browser: Caller, issuer: Issuer) -> None:
    as_somebody(issuer, aud=[CLIENT_ID, "another"], azp=CLIENT_ID)
    assert signed_in(browser, issuer).status_code == 200


@pytest.mark.parametrize("sub", ["", "x" * 256, "n\u00fcl", "a\x00b"])
def test_subject_that_is_none_is_the_providers_fault(browser: Caller, issuer: Issuer, sub: str) -> None:
    as_somebody(issuer, sub=sub)
    assert_refused(signed_in(browser, issuer), 502, "BAD_GATEWAY")


@pytest.mark.asvs("11.2.3")
def test_short_key_signs_nothing(browser: Caller, issuer: Issuer) -> None:
    as_somebody(issuer)
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    with pytest.warns(SecurityWarning, match="2048"):
        issuer.key = RSAKey.import_key(short, {"kid": "first"})
    assert_refused(signed_in(browser, issuer))


def test_new_key_is_looked_for_once_and_then_not_for_a_while(browser: Caller, issuer: Issuer) -> None:
    as_somebody(issuer)
    assert signed_in(browser, issuer).status_code == 200
    issuer.sign = SIGNED["unknown kid"]
    for _ in range(5):
        assert_refused(signed_in(browser, issuer))
    assert issuer.asked.count("/keys") <= 2


# --- Whose code it is (mix-up) ---


@pytest.mark.asvs("10.2.2")
def test_code_of_another_issuer_is_refused(browser: Caller, issuer: Issuer) -> None:
    as_somebody(issuer)
    returned = back(issuer, begun(browser))
    assert_refused(browser.post(COMPLETE, json={**returned, "iss": "https://evil.example"}))
    assert "/token" not in issuer.asked


@pytest.mark.asvs("10.2.2")
def test_code_without_issuer_is_refused_where_the_provider_names_it(browser: Caller, issuer: Issuer) -> None:
    as_somebody(issuer)
    issuer.discovery = {"authorization_response_iss_parameter_supported": True}
    assert_refused(signed_in(browser, issuer))
    returned = back(issuer, begun(browser))
    assert browser.post(COMPLETE, json={**returned, "iss": issuer.url}).status_code == 200


# --- Whom it opens ---


def registered(house: Flask, *, proven: bool) -> Caller:
    caller = sign_up(house, "owner")
    with house.app_context(), database.writing() as connection:
        own = update(User).where(User.public_id == caller.id)
        connection.execute(own.values(email_verified_at=User.created_at if proven else None))
    return caller


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_unverified_address_opens_and_makes_nothing(
    house: Flask, browser: Caller, issuer: Issuer, verified: Any
) -> None:
    owner = registered(house, proven=True)
    before = rows(house, User)
    for email in (owner.email, "new@example.org"):
        as_somebody(issuer, email=email, email_verified=verified)
        assert_refused(signed_in(browser, issuer), 403, "FORBIDDEN")
    assert rows(house, User) == before


def test_address_of_a_provider_that_is_not_trusted_opens_nothing(
    house: Flask, browser: Caller, issuer: Issuer
) -> None:
    owner = registered(house, proven=True)
    lend(house, issuer, trust_email=False)
    as_somebody(issuer, email=owner.email)
    assert_refused(signed_in(browser, issuer), 409, "EMAIL_TAKEN")


def test_account_whose_address_was_never_proven_is_not_opened(
    house: Flask, browser: Caller, issuer: Issuer
) -> None:
    """Else who registers a victim's address would share the account with him later."""
    owner = registered(house, proven=False)
    as_somebody(issuer, email=owner.email.upper())
    assert_refused(signed_in(browser, issuer), 409, "EMAIL_TAKEN")


def test_proven_address_of_a_trusted_provider_opens_its_account(
    house: Flask, browser: Caller, issuer: Issuer
) -> None:
    owner = registered(house, proven=True)
    as_somebody(issuer, email=owner.email)
    browser.token = signed_in(browser, issuer).json["access_token"]
    assert browser.get("/users/me").json["id"] == owner.id


def test_domain_that_only_folds_to_anothers_is_another(house: Flask, browser: Caller, issuer: Issuer) -> None:
    """Who has straße.de is not who has strasse.de."""
    owner = registered(house, proven=True)
    _set(house, owner, email="ceo@strasse.de", email_key=email_key("ceo@strasse.de"))
    as_somebody(issuer, email="ceo@straße.de")
    browser.token = signed_in(browser, issuer).json["access_token"]
    assert browser.get("/users/me").json["email"] == "ceo@straße.de"


def test_account_whose_key_is_another_addresss_is_not_opened(
    house: Flask, browser: Caller, issuer: Issuer
) -> None:
    owner = registered(house, proven=True)
    _set(house, owner, email="boss@straße.de", email_key="boss@strasse.de")
    as_somebody(issuer, email="boss@strasse.de")
    assert_refused(signed_in(browser, issuer), 409, "EMAIL_TAKEN")


def test_account_with_one_time_codes_is_not_opened_by_its_address(
    house: Flask, browser: Caller, issuer: Issuer
) -> None:
    """Whoever reads the mail, or has the account at the provider, would get past the code. Who links opens it."""
    owner = registered(house, proven=True)
    with_totp(owner)
    as_somebody(issuer, email=owner.email)
    before = rows(house, Identity)
    assert_refused(signed_in(browser, issuer), 409, "EMAIL_TAKEN")
    assert rows(house, Identity) == before
    assert owner.post(COMPLETE_LINK, json=back(issuer, begun(owner, LINK))).status_code == 200
    assert signed_in(browser, issuer).status_code == 200


def _set(house: Flask, caller: Caller, **values: Any) -> None:
    with house.app_context(), database.writing() as connection:
        connection.execute(update(User).where(User.public_id == caller.id).values(**values))


@pytest.fixture
def claimed(house: Flask, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address that somebody claims at a provider which is not trusted, while addresses are verified."""
    lend(house, issuer, trust_email=False)
    as_somebody(issuer)
    monkeypatch.setitem(house.config, "EMAIL_VERIFICATION", True)
    return str(issuer.claims["email"])


def test_untrusted_provider_does_not_get_round_verification(
    house: Flask, browser: Caller, issuer: Issuer, claimed: str
) -> None:
    """What it says of an address lets nobody in before the mail sent there was read."""
    for _ in range(2):
        assert_refused(signed_in(browser, issuer), 403, "EMAIL_UNVERIFIED")
        assert latest_event(house) == ("session.refused", "failure", {"method": "openid"})
    [mail] = mails(house, claimed)  # for the account, not for each try
    # Nor does a click on the mail: whoever is at the provider may not be its reader, who sets a password.
    proof = {"token": token_of(mail), "password": PASSWORD}
    assert_refused(browser.post("/auth/verify", json=proof), 403, "WRONG_PASSWORD")
    asked(browser, "/auth/password/forgot", email=claimed)
    new = {"token": token_of(mails(house, claimed)[-1]), "password": "another good long secret"}
    assert browser.post("/auth/password/reset", json=new).status_code == 204
    assert_refused(signed_in(browser, issuer), 409, "EMAIL_TAKEN")


def test_of_a_strangers_identity_nothing_is_left_when_the_reader_registers(
    house: Flask, browser: Caller, issuer: Issuer, claimed: str
) -> None:
    """Else the stranger would wait for the other to verify the address, and have the account with him."""
    assert_refused(signed_in(browser, issuer), 403, "EMAIL_UNVERIFIED")
    proof = {"token": token_of(mails(house, claimed)[-1]), "password": PASSWORD}
    asked(browser, "/auth/register", email=claimed, password=PASSWORD)
    readers = token_of(mails(house, claimed)[-1])
    assert browser.post("/auth/verify", json=proof).status_code == 403
    new = {"token": readers, "password": "another good long secret"}
    assert browser.post("/auth/password/reset", json=new).status_code == 204
    assert_refused(signed_in(browser, issuer), 409, "EMAIL_TAKEN")


def test_address_outside_the_providers_domains_is_not_believed(
    house: Flask, browser: Caller, issuer: Issuer
) -> None:
    owner = registered(house, proven=True)
    lend(house, issuer, domains=("example.com",))
    as_somebody(issuer, email=owner.email)
    assert_refused(signed_in(browser, issuer), 403, "FORBIDDEN")


@pytest.mark.asvs("6.8.1", "10.5.2")
def test_subject_and_not_the_address_says_who_it_is(house: Flask, browser: Caller, issuer: Issuer) -> None:
    as_somebody(issuer)
    browser.token = signed_in(browser, issuer).json["access_token"]
    own = browser.get("/users/me").json["id"]
    owner = registered(house, proven=True)
    as_somebody(issuer, email=owner.email)
    browser.token = signed_in(browser, issuer).json["access_token"]
    assert browser.get("/users/me").json["id"] == own != owner.id


@pytest.mark.asvs("16.3.1")
def test_disabled_user_is_refused_and_it_is_recorded(house: Flask, browser: Caller, issuer: Issuer) -> None:
    as_somebody(issuer)
    assert signed_in(browser, issuer).status_code == 200
    with house.app_context(), database.writing() as connection:
        disabled = update(User).where(User.email == issuer.claims["email"]).values(status="disabled")
        connection.execute(disabled)
    before = rows(house, Session)
    assert_refused(signed_in(browser, issuer))
    assert rows(house, Session) == before
    assert latest_event(house) == ("session.refused", "failure", {"method": "openid"})


def test_disabled_user_of_the_same_address_is_not_linked(
    house: Flask, browser: Caller, issuer: Issuer
) -> None:
    owner = registered(house, proven=True)
    with house.app_context(), database.writing() as connection:
        connection.execute(update(User).where(User.public_id == owner.id).values(status="disabled"))
    as_somebody(issuer, email=owner.email)
    before = rows(house, Identity)
    assert_refused(signed_in(browser, issuer))
    assert rows(house, Identity) == before


# --- Linking ---


def test_link_that_another_user_began_is_refused(house: Flask, issuer: Issuer) -> None:
    """One browser, two people: the second must not get what the first one began."""
    first, second = sign_up(house, "first"), sign_up(house, "second")
    second.client = first.client
    returned = back(issuer, begun(first, LINK))
    assert_refused(second.post(COMPLETE_LINK, json=returned), 403, "CSRF_FAILED")
    assert second.get("/users/me/identities").json["items"] == []


def test_attackers_link_in_the_victims_browser_is_refused(house: Flask, issuer: Issuer) -> None:
    """Else the attacker would sign in to the victim's account from then on."""
    attacker, victim = sign_up(house, "attacker"), sign_up(house, "victim")
    attackers = back(issuer, begun(attacker, LINK))
    begun(victim, LINK)
    assert_refused(victim.post(COMPLETE_LINK, json=attackers), 403, "CSRF_FAILED")
    assert victim.get("/users/me/identities").json["items"] == []


@pytest.mark.asvs("2.3.1")
def test_sign_in_and_link_are_not_taken_for_each_other(house: Flask, issuer: Issuer) -> None:
    victim = sign_up(house, "victim")
    as_somebody(issuer)
    assert_refused(victim.post(COMPLETE_LINK, json=back(issuer, begun(victim))), 403, "CSRF_FAILED")
    assert_refused(victim.post(COMPLETE, json=back(issuer, begun(victim, LINK))), 403, "CSRF_FAILED")


def test_person_who_is_another_user_is_not_linked(house: Flask, browser: Caller, issuer: Issuer) -> None:
    as_somebody(issuer)
    assert signed_in(browser, issuer).status_code == 200
    thief = sign_up(house, "thief")
    answered = thief.post(COMPLETE_LINK, json=back(issuer, begun(thief, LINK)))
    assert_refused(answered, 409, "CONFLICT")


# --- Where the browser goes ---


@pytest.mark.asvs("1.3.6", "3.7.2")
@pytest.mark.parametrize(
    "return_to",
    [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "https://evil.example",
        "https://evil.example/https://app.example.org",
        "https://app.example.org.evil.example/",
        "https://app.example.org@evil.example/",
        "https://user@app.example.org/",
        "https://app.example.org\\@evil.example/",
        "http://app.example.org/",
        "https:app.example.org/",
        "javascript:alert(1)",
        "data:text/html,x",
        "evil.example",
        "",
        "/a#b",
        "/\r\nSet-Cookie: a=b",
        "/\u2215/evil.example",
        "/" * 2049,
    ],
)
def test_return_to_elsewhere_is_refused(browser: Caller, return_to: str) -> None:
    answered = browser.post(BEGIN, json={"return_to": return_to})
    assert_refused(answered, 400, "VALIDATION_ERROR")
    assert answered.json["error"]["field"] == "return_to"


@pytest.mark.asvs("14.2.1")
@pytest.mark.parametrize("return_to", ["/", "/app?tab=1", "/a//b", FRONTEND, f"{FRONTEND}/in?x=https://a.b/"])
def test_callback_leads_back_with_the_answer_behind_the_hash(
    browser: Caller, issuer: Issuer, return_to: str
) -> None:
    returned = {**back(issuer, begun(browser, return_to=return_to)), "iss": issuer.url}
    answered = browser.get(f"{BEGIN}/callback", query_string={**returned, "session_state": "x", "scope": "y"})
    assert answered.status_code == 303
    target, _, fragment = answered.headers["Location"].partition("#")
    assert (target, parameters(f"#{fragment}")) == (return_to, returned)
    assert answered.headers["Cache-Control"] == "no-store"
    assert answered.headers["Referrer-Policy"] == "no-referrer"


def test_provider_that_refuses_leads_back_too(browser: Caller) -> None:
    state = parameters(begun(browser))["state"]
    refusal = {"error": "access_denied", "error_description": "<script>", "state": state}
    answered = browser.get(f"{BEGIN}/callback", query_string=refusal)
    assert answered.headers["Location"] == f"/app#state={state}&error=access_denied"


@pytest.mark.parametrize(
    "query", [{}, {"code": "x"}, {"state": "a b"}, {"state": "\u00e9"}, {"state": "x" * 2049}]
)
def test_callback_without_a_sane_state_is_400(browser: Caller, query: dict[str, str]) -> None:
    begun(browser)
    assert_refused(browser.get(f"{BEGIN}/callback", query_string=query), 400, "VALIDATION_ERROR")


BROWSERS = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ({"code": "stolen-code", "state": "foreign-state"}, 403, "begin again"),
        ({"error": "denied", "state": "<script>alert(1)</script>"}, 403, "begin again"),
        ({"code": "<script>"}, 400, "printable ASCII"),
    ],
)
def test_person_whose_callback_is_refused_reads_a_page(
    browser: Caller, query: dict[str, str], status: int, told: str
) -> None:
    """It leads back to where one signs in, and repeats nothing of what the address held."""
    begun(browser)
    answered = browser.get(f"{BEGIN}/callback", query_string=query, headers={"Accept": BROWSERS})
    assert (answered.status_code, answered.content_type) == (status, "text/html; charset=utf-8")
    assert told in answered.text and '<a class="button" href="http://sho.rt/docs">' in answered.text
    assert not [value for value in query.values() if value in answered.text]
    assert (
        "<script" not in answered.text and "default-src 'none'" in answered.headers["Content-Security-Policy"]
    )
    assert (answered.headers["Cache-Control"], answered.headers["Referrer-Policy"]) == (
        "no-store",
        "no-referrer",
    )


def test_late_callback_tells_a_person_to_begin_again(
    browser: Caller, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    returned = back(issuer, begun(browser))
    let_pass(monkeypatch, minutes=10)
    answered = browser.get(f"{BEGIN}/callback", query_string=returned, headers={"Accept": BROWSERS})
    assert answered.status_code == 403 and "begin again" in answered.text


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json, text/html;q=0.9", "application/json"),
        ("application/problem+json", "application/problem+json"),
        ("image/png", "application/json"),
        ("text/html", "text/html"),
    ],
)
def test_program_whose_callback_is_refused_gets_the_shape_of_errors(
    browser: Caller, accept: str | None, media_type: str
) -> None:
    headers = {"Accept": accept} if accept else {}
    answered = browser.get(f"{BEGIN}/callback?state=foreign", headers=headers)
    assert (answered.status_code, answered.mimetype) == (403, media_type)
    assert answered.headers["Vary"] == "Accept, Origin"


def test_unknown_provider_is_404(browser: Caller) -> None:
    paths = ("/auth/oidc/evil", "/auth/oidc/evil/complete")
    bodies = ({"return_to": "/"}, {"code": "x", "state": "x"})
    for path, body in zip(paths, bodies, strict=True):
        assert_refused(browser.post(path, json=body), 404, "NOT_FOUND")
    assert_refused(browser.get("/auth/oidc/evil/callback?state=x"), 404, "NOT_FOUND")


# --- A provider that is broken, or hostile ---


def redirected(handler: BaseHTTPRequestHandler) -> None:
    answer(handler, {}, 302, Location="/elsewhere")


def huge(handler: BaseHTTPRequestHandler) -> None:
    with_body = b'{"x": "' + b"x" * (asking.LARGEST + 1) + b'"}'
    with suppress(OSError):  # hung up on, as it should be
        answer(handler, with_body)


def hung(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.settimeout(5)
    handler.connection.recv(1)  # until the other side gives up


def broken_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")
    handler.connection.shutdown(socket.SHUT_RDWR)


DOCUMENTS: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {
    "redirect": redirected,
    "huge": huge,
    "broken off": broken_off,
    "500": lambda handler: answer(handler, {}, 500),
    "no JSON": lambda handler: answer(handler, b"<html>"),
    "list": lambda handler: answer(handler, []),
    "deep": lambda handler: answer(handler, b"[" * 100_000),
    "packed": lambda handler: answer(handler, b"\x1f\x8b\x08\x00", 200, **{"Content-Encoding": "gzip"}),
}


@pytest.mark.asvs("15.3.2")
@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token"])
def test_bad_answer_of_the_provider_is_502(browser: Caller, issuer: Issuer, path: str, name: str) -> None:
    as_somebody(issuer)
    issuer.documents[path] = DOCUMENTS[name]
    answered = browser.post(BEGIN, json={"return_to": "/"})
    if answered.status_code == 200:
        answered = browser.post(COMPLETE, json=back(issuer, answered.json["authorization_url"]))
    assert_refused(answered, 502, "BAD_GATEWAY")
    assert "/elsewhere" not in issuer.asked


@pytest.mark.asvs("16.5.2")
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token"])
def test_hung_provider_is_504(
    browser: Caller, issuer: Issuer, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "READ_TIMEOUT", 0.1)
    issuer.documents[path] = hung
    answered = browser.post(BEGIN, json={"return_to": "/"})
    if answered.status_code == 200:
        answered = browser.post(COMPLETE, json=back(issuer, answered.json["authorization_url"]))
    assert_refused(answered, 504, "GATEWAY_TIMEOUT")


def test_failure_is_remembered_for_a_while(browser: Caller, issuer: Issuer) -> None:
    issuer.documents["/.well-known/openid-configuration"] = DOCUMENTS["500"]
    for _ in range(3):
        assert browser.post(BEGIN, json={"return_to": "/"}).status_code == 502
    assert issuer.asked == ["/.well-known/openid-configuration"]


def trickling(handler: BaseHTTPRequestHandler) -> None:
    """Each byte comes in time, and all of them too late."""
    with suppress(OSError):  # hung up on, as it should be
        handler.send_response(200)
        for number in range(20):
            handler.send_header(f"X-{number}", "1")
            handler.flush_headers()
            time.sleep(0.05)
        handler.end_headers()


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token"])
def test_provider_that_trickles_its_headers_is_504(
    browser: Caller, issuer: Issuer, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_somebody(issuer)
    monkeypatch.setattr(asking, "LONGEST", 0.4)
    issuer.documents[path] = trickling
    answered = browser.post(BEGIN, json={"return_to": "/"})
    if answered.status_code == 200:
        answered = browser.post(COMPLETE, json=back(issuer, answered.json["authorization_url"]))
    assert_refused(answered, 504, "GATEWAY_TIMEOUT")


def test_slow_provider_holds_nobody_but_who_asks_it(
    house: Flask, browser: Caller, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "WAITED", 0.05)
    for longest in ("READ_TIMEOUT", "LONGEST"):
        monkeypatch.setattr(asking, longest, PATIENCE)
    asked, go_on = Event(), Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        asked.set()
        go_on.wait(PATIENCE)
        answer(handler, issuer.published())

    issuer.documents[DISCOVERY] = slow
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(browser.post, BEGIN, json={"return_to": "/"})
        assert asked.wait(PATIENCE)
        others = Caller(house.test_client()).post(BEGIN, json={"return_to": "/"})
        assert not first.done()
        go_on.set()
        assert_refused(others, 504, "GATEWAY_TIMEOUT")
        assert first.result().status_code == 200


def _age(house: Flask) -> None:
    """Let all that is remembered of providers be due."""
    read = house.extensions["oidc"]._read
    read.update(
        {url: replace(known, asked_at=known.asked_at - publishing.KEPT - 1) for url, known in read.items()}
    )


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys"])
def test_page_of_maintenance_is_not_taken_for_a_document(
    house: Flask, browser: Caller, issuer: Issuer, path: str
) -> None:
    """It came with 200, and is a failure all the same: forgotten after seconds, not after an hour."""
    as_somebody(issuer)
    issuer.documents[path] = lambda handler: answer(handler, {"maintenance": True})
    url = begun(browser) if path == "/keys" else None
    answered = (
        browser.post(COMPLETE, json=back(issuer, url))
        if url
        else browser.post(BEGIN, json={"return_to": "/"})
    )
    assert_refused(answered, 502, "BAD_GATEWAY")
    assert [known.failure is None for known in house.extensions["oidc"]._read.values()].count(False) == 1
    issuer.documents.clear()
    _age(house)
    assert signed_in(browser, issuer).status_code == 200


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys"])
def test_what_was_good_stays_in_use_while_the_provider_fails(
    house: Flask, browser: Caller, issuer: Issuer, path: str
) -> None:
    as_somebody(issuer)
    assert signed_in(browser, issuer).status_code == 200
    for broken in (DOCUMENTS["500"], DOCUMENTS["no JSON"], lambda handler: answer(handler, {})):
        issuer.documents[path] = broken
        _age(house)
        assert signed_in(browser, issuer).status_code == 200
    assert issuer.asked.count(path) == 4  # it was asked each time


@pytest.mark.asvs("1.3.6", "10.5.3")
@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"authorization_endpoint": "http://evil.example/auth"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "http://169.254.169.254/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
        {"id_token_signing_alg_values_supported": ["none", "HS256"]},
        {"id_token_signing_alg_values_supported": "RS256"},
        {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
    ],
    ids=str,
)
def test_discovery_that_leads_astray_is_502(
    browser: Caller, issuer: Issuer, discovery: dict[str, Any]
) -> None:
    issuer.discovery = discovery
    assert_refused(browser.post(BEGIN, json={"return_to": "/"}), 502, "BAD_GATEWAY")


def test_userinfo_of_somebody_else_is_refused(browser: Caller, issuer: Issuer) -> None:
    """OIDC Core §5.3.2: the subject of both is the same."""
    issuer.discovery = {"userinfo_endpoint": f"{issuer.url}/me"}
    told = {"sub": "another", "email": "userinfo@example.org", "email_verified": True}
    issuer.documents["/me"] = lambda handler: answer(handler, told)
    assert_refused(signed_in(browser, issuer))
    told["sub"] = issuer.claims["sub"]
    assert signed_in(browser, issuer).status_code == 200


@pytest.mark.asvs("10.1.1")
def test_access_token_of_the_provider_is_not_kept(house: Flask, browser: Caller, issuer: Issuer) -> None:
    as_somebody(issuer)
    issuer.token = {"access_token": "canary-7f3a", "refresh_token": "canary-7f3a"}
    assert "canary" not in signed_in(browser, issuer).text
    with house.app_context(), database.reading() as connection:
        for model in (Identity, SignInFlow, Session, AuditEvent):
            assert "canary" not in str(connection.execute(select(model.__table__)).all())
