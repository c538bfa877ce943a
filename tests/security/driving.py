"""One person's way through all that Slugline does, carrying a canary wherever a secret can be put."""

import base64
from typing import Any

import pytest
from sqlalchemy import event
from werkzeug.test import TestResponse

from app.accounts import sessions
from app.accounts.models import User
from app.audit import sealing, security_log
from app.clicks.countries import countries
from app.clicks.ingest import Ingester
from app.extensions import db
from tests.conftest import Caller
from tests.factors import code
from tests.integration.clicks.conftest import drain
from tests.mailbox import sent_token
from tests.security.canaries import CANARIES, House

V4 = {"REMOTE_ADDR": CANARIES["IPv4 address"]}
V6 = {"REMOTE_ADDR": CANARIES["IPv6 address"]}
ACCOUNT = {"email": CANARIES["e-mail"], "password": CANARIES["password"]}
URL = "https://example.com/"


class Driver:
    """Calls, keeps what was refused, and goes on."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.caller = Caller(house.app.test_client())

    def call(self, method: str, path: str, status: int, **options: Any) -> TestResponse:
        """A call of the API. Its status is asserted, so that none is driven into nothing."""
        options.setdefault("environ_overrides", V4)
        return self._kept(self.caller.call(method, path, **options), status)

    def visit(self, method: str, path: str, status: int, **options: Any) -> TestResponse:
        options.setdefault("environ_overrides", V6)
        return self._kept(self.house.app.test_client().open(path, method=method, **options), status)

    def _kept(self, answer: TestResponse, status: int) -> TestResponse:
        assert answer.status_code == status, answer.text
        if status >= 400:
            self.house.errors.append(f"{answer.headers}\n{answer.text}")
        return answer


def drive(house: House, patch: pytest.MonkeyPatch) -> None:
    """All of it. What stays in the spool is read before the worker takes it (`tests/security/test_canaries.py`)."""
    driver = Driver(house)
    accounts(driver)
    ways_in(driver)
    links(driver)
    visits(driver)
    refusals(driver)
    exports(driver)
    faults(driver, patch)


def accounts(driver: Driver) -> None:
    driver.call("POST", "/auth/register", 201, json={**ACCOUNT, "name": "Ada"})
    driver.call("POST", "/auth/register", 409, json=ACCOUNT)
    driver.call("POST", "/auth/register", 400, json={**ACCOUNT, "email": CANARIES["malformed e-mail"]})
    short = {"email": "short@example.org", "password": CANARIES["too short password"]}
    driver.call("POST", "/auth/register", 400, json=short)
    driver.call("POST", "/auth/login", 401, json={**ACCOUNT, "password": CANARIES["wrong password"]})
    driver.call("POST", "/auth/login", 401, json={**ACCOUNT, "email": CANARIES["unknown e-mail"]})
    signed_in(driver, driver.call("POST", "/auth/login", 200, json=ACCOUNT, environ_overrides=V6))
    renewed = driver.call("POST", "/auth/refresh", 200, headers=bearer(driver.caller.refresh_token))
    driver.call("POST", "/auth/refresh", 401, headers=bearer(driver.caller.refresh_token))
    signed_in(driver, renewed)
    driver.call("GET", "/users/me", 401)
    signed_in(driver, driver.call("POST", "/auth/login", 200, json=ACCOUNT))
    driver.call("PATCH", "/users/me", 200, json={"name": "Countess"})
    change = {"current_password": CANARIES["wrong password"], "new_password": CANARIES["new password"]}
    driver.call("PUT", "/users/me/password", 403, json=change)
    driver.call("PUT", "/users/me/password", 204, json={**change, "current_password": CANARIES["password"]})
    driver.call("GET", "/auth/sessions", 200)
    driver.call("DELETE", "/auth/sessions", 204)


def ways_in(driver: Driver) -> None:
    """Keys, codes, cookies and mails; each secret that is made on the way is a canary."""
    plant = driver.house.canaries
    made = driver.call("POST", "/api-keys", 201, json={"name": "ci", "scopes": ["links:read"]})
    plant["API key"] = made.json["key"]
    plant["secret of the API key"] = made.json["key"].rpartition("_")[2]
    driver.call("GET", "/links", 200, headers={"Authorization": "", "X-API-Key": plant["API key"]})
    driver.call("GET", "/users/me", 403, headers={"Authorization": f"Bearer {plant['API key']}"})
    driver.call("GET", "/users/me", 401, headers={"Authorization": f"Bearer {plant['API key'][:-1]}"})
    plant["secret of one-time codes"] = secret = driver.call("POST", "/users/me/totp", 200).json["secret"]
    confirmed = driver.call("POST", "/users/me/totp/confirm", 200, json={"code": code(secret)})
    plant |= {f"recovery code {n}": one for n, one in enumerate(confirmed.json["recovery_codes"])}
    account = {**ACCOUNT, "password": CANARIES["new password"]}
    driver.call("POST", "/auth/login", 401, json={**account, "otp": "canary"})
    by_cookie = {**account, "otp": plant["recovery code 0"], "transport": "cookie"}
    browser = driver.house.app.test_client()
    answer = browser.post("/api/v1/auth/login", json=by_cookie, environ_overrides=V4)
    assert answer.status_code == 200, answer.text
    plant |= {f"cookie {cookie.key}": cookie.value for cookie in browser._cookies.values()}
    driver.call("DELETE", "/users/me/totp", 204)
    driver.call("POST", "/auth/password/forgot", 202, json={"email": ACCOUNT["email"]})
    plant["token of a mail"] = sent_token(driver.house.app, ACCOUNT["email"])
    driver.call(
        "POST", "/auth/password/reset", 400, json={"token": plant["token of a mail"], "password": "short"}
    )


def signed_in(driver: Driver, answer: TestResponse) -> None:
    """Carry the tokens on; each is a canary from here on, and so is its signature."""
    for kind in ("access_token", "refresh_token"):
        token = answer.json[kind]
        setattr(driver.caller, "token" if kind == "access_token" else kind, token)
        number = len(driver.house.canaries)
        driver.house.canaries |= {f"{kind} {number}": token, f"signature {number}": token.rpartition(".")[2]}


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def links(driver: Driver) -> None:
    locked = {"url": URL, "code": "locked", "password": CANARIES["link password"]}
    key = {"Idempotency-Key": CANARIES["idempotency key"]}
    driver.call("POST", "/links", 201, json=locked)
    driver.call("POST", "/links", 201, json={"url": URL, "code": "open"}, headers=key)
    driver.call("POST", "/links", 201, json={"url": URL, "code": "open"}, headers=key)
    driver.call("PATCH", "/links/open", 200, json={"password": CANARIES["link password"]})
    driver.call("PATCH", "/links/open", 200, json={"password": None})
    made = {"op": "create", "link": {"url": URL, "password": CANARIES["link password"]}}
    driver.call("POST", "/links/batch", 200, json={"items": [made]})
    driver.call("DELETE", "/links/open", 204)
    driver.call("POST", "/links/open/restore", 200)
    driver.call("GET", f"/links?q={CANARIES['query secret']}", 200)


def visits(driver: Driver) -> None:
    for address in (V4, V6):
        driver.visit("GET", "/s/open", 302, environ_overrides=address)
    driver.visit("GET", "/s/locked", 401, headers={"Accept": "application/json"})
    wrong, right = ({"password": CANARIES[name]} for name in ("wrong link password", "link password"))
    driver.visit("POST", "/s/locked", 403, data=wrong)
    driver.visit("POST", "/s/locked", 303, data=right)
    driver.visit("GET", f"/s/nowhere?secret={CANARIES['query secret']}", 404)


def refusals(driver: Driver) -> None:
    malformed = CANARIES["malformed credential"]
    basic = base64.b64encode(f"{malformed}:{CANARIES['wrong password']}".encode()).decode()
    for credential in (malformed, f"Bearer {malformed}", f"Basic {basic}", f"Token {malformed}"):
        driver.call("GET", "/users/me", 401, headers={"Authorization": credential})
    secret = f"?access_token={CANARIES['query secret']}"
    driver.call("GET", f"/users/me{secret}", 400)
    driver.call("GET", f"/links?sort={CANARIES['query secret']}", 400)
    driver.call("GET", f"/links?cursor={CANARIES['query secret']}", 400)
    driver.call("GET", f"/nowhere{secret}", 404)
    driver.call("DELETE", f"/links{secret}", 405)
    cut_off = f'{{"password": "{CANARIES["password"]}'
    driver.call("POST", "/auth/login", 400, data=cut_off, content_type="application/json")
    driver.call("POST", "/auth/login", 415, data=CANARIES["password"], content_type="text/plain")
    driver.call("POST", "/auth/login", 400, json={**ACCOUNT, "otp-canary": CANARIES["password"]})
    guess = {"email": CANARIES["unknown e-mail"], "password": CANARIES["wrong password"]}
    for status in (401, 401, 401, 401, 401, 429):
        driver.call(
            "POST", "/auth/login", status, json=guess, environ_overrides={"REMOTE_ADDR": "198.51.100.9"}
        )


def exports(driver: Driver) -> None:
    for path in ("/stats/export", "/links/open/stats/export?format=json", "/audit-events/export"):
        driver.house.exports.append(driver.call("GET", path, 200).text)
    driver.house.exports.append(driver.call("GET", "/links/open/stats", 200).text)  # remembered in Redis


def faults(driver: Driver, patch: pytest.MonkeyPatch) -> None:
    """Errors of ours, each with secrets at hand: one of the code, two of the database."""

    def broken(*_args: Any, **_kwargs: Any) -> None:
        password, header = CANARIES["password"], f"Bearer {driver.caller.token}"
        raise RuntimeError(f"{len(password)} {len(header)}")

    with patch.context() as once:
        once.setattr("app.accounts.signing_in.passwords.matches", broken)
        driver.call("POST", "/auth/login", 500, json={**ACCOUNT, "password": CANARIES["new password"]})
    with patch.context() as once:  # a unique index, whose value PostgreSQL tells
        taken = driver.call("GET", "/auth/sessions", 200).json["items"][0]["id"]
        once.setattr(sessions, "opaque_id", lambda _prefix: taken)
        driver.call("POST", "/auth/login", 500, json={**ACCOUNT, "password": CANARIES["new password"]})

    def spoil(session: Any, *_args: object) -> None:
        for row in session.dirty:
            if isinstance(row, User):
                row.role = "nobody"

    with driver.house.app.app_context():
        event.listen(db.session, "before_flush", spoil)  # a CHECK, of which PostgreSQL tells the whole row
    driver.call("PATCH", "/users/me", 500, json={"name": "Once more"})
    event.remove(db.session, "before_flush", spoil)


def work(house: House) -> None:
    """What the worker does with it."""
    with house.app.app_context():
        with Ingester(house.app.config["SPOOL_DIR"], countries("")) as ingester:
            drain(ingester)
        sealing.seal()
        security_log.write()
