"""/users/me/totp, /users/me/recovery-codes, and signing in with what they give."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from app import database
from app.accounts.models import RecoveryCode, Session, Totp
from tests.conftest import PASSWORD, AppFactory, Caller, sign_up
from tests.factors import code, events, sign_in, start_totp, with_totp
from tests.making import set_column, set_role


@pytest.fixture(autouse=True)
def _in_the_middle_of_a_step() -> Iterator[None]:
    """A code is made and checked in one step, whatever time it is."""
    with time_machine.travel(datetime.now(UTC).replace(second=15)):
        yield


def error(answer: TestResponse) -> tuple[int, str, str | None]:
    told = answer.json["error"]
    return answer.status_code, told["code"], told["field"]


def test_it_is_off_at_first(alice: Caller) -> None:
    answer = alice.get("/users/me/totp").json
    assert answer.pop("_links")
    assert answer == {"enabled": False, "enabled_at": None, "recovery_codes_left": 0, "required": False}


def test_enrolling_gives_what_an_app_needs(alice: Caller) -> None:
    answer = alice.post("/users/me/totp")
    assert answer.headers["Cache-Control"] == "no-store"
    uri = urlsplit(answer.json["uri"])
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == ("otpauth", "totp", f"/sho.rt:{alice.email}")
    assert parse_qs(uri.query) == {"secret": [answer.json["secret"]], "issuer": ["sho.rt"]}
    assert answer.json["qr"].startswith("data:image/svg+xml;")
    assert len(answer.json["secret"]) == 32  # 160 bits, RFC 4226 §4


@pytest.mark.asvs("2.3.1")
def test_nothing_is_asked_for_before_it_is_confirmed(alice: Caller) -> None:
    start_totp(alice)
    assert sign_in(alice).status_code == 200
    assert alice.get("/users/me/totp").json["enabled"] is False


@pytest.mark.parametrize("wrong", ["000000", "12345", "abcdef", "१२३४५६"])
def test_wrong_code_confirms_nothing(app: Flask, alice: Caller, wrong: str) -> None:
    start_totp(alice)
    answer = alice.post("/users/me/totp/confirm", json={"code": wrong})
    assert error(answer) == (403, "WRONG_CODE", "code")
    assert sign_in(alice).status_code == 200
    assert ("totp.enabled", "failure") in events(app)


def test_first_code_switches_it_on_and_gives_ten_recovery_codes(app: Flask, alice: Caller) -> None:
    _, codes = with_totp(alice)
    assert len(set(codes)) == 10
    status = alice.get("/users/me/totp").json
    assert (status["enabled"], status["recovery_codes_left"]) == (True, 10)
    assert {("totp.enabled", "success"), ("recovery_codes.made", "success")} <= set(events(app))


@pytest.mark.asvs("6.5.4", "11.5.1")
def test_recovery_code_has_128_random_bits(alice: Caller) -> None:
    codes = [made.replace("-", "") for made in with_totp(alice)[1]]
    places = list(zip(*codes, strict=True))
    assert len(places) * math.log2(len(set("".join(codes)))) >= 128
    assert all(len(set(place)) > 2 for place in places)


def test_password_alone_is_asked_for_a_code(alice: Caller) -> None:
    with_totp(alice)
    answer = sign_in(alice)
    assert error(answer) == (401, "OTP_REQUIRED", "otp")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("otp", [None, "000000", "right"])
def test_wrong_password_tells_of_no_factor(alice: Caller, otp: str | None) -> None:
    secret, _ = with_totp(alice)
    answer = sign_in(alice, code(secret) if otp == "right" else otp, password="not the right one")
    assert error(answer) == (401, "INVALID_CREDENTIALS", None)


def test_code_signs_in(alice: Caller) -> None:
    secret, _ = with_totp(alice)
    assert sign_in(alice, code(secret)).status_code == 200


@pytest.mark.parametrize("written", ["{0}{1} {2}", " {0}{1}{2} "])
def test_code_is_read_as_apps_show_it(alice: Caller, written: str) -> None:
    secret, _ = with_totp(alice)
    now = code(secret)
    assert sign_in(alice, written.format(now[:2], now[2:3], now[3:])).status_code == 200


@pytest.mark.asvs("6.5.5")
@pytest.mark.parametrize(("steps", "status"), [(-2, 401), (1, 200), (2, 401)])
def test_clock_may_be_one_step_off(alice: Caller, steps: int, status: int) -> None:
    secret, _ = with_totp(alice)
    assert sign_in(alice, code(secret, steps=steps)).status_code == status


def test_wrong_code_is_told_apart_by_its_field(app: Flask, alice: Caller) -> None:
    with_totp(alice)
    assert error(sign_in(alice, "000000")) == (401, "INVALID_CREDENTIALS", "otp")
    assert events(app)[-1] == ("session.refused", "failure")


@pytest.mark.asvs("6.5.1")
def test_code_is_good_once(alice: Caller) -> None:
    secret, _ = with_totp(alice)
    used = code(secret)
    assert [sign_in(alice, used).status_code for _ in range(2)] == [200, 401]


@pytest.mark.asvs("6.5.1", "6.5.8")
def test_code_before_a_used_one_is_dead(alice: Caller) -> None:
    secret, _ = with_totp(alice)
    assert sign_in(alice, code(secret, steps=1)).status_code == 200
    assert sign_in(alice, code(secret)).status_code == 401


def test_next_code_is_good(alice: Caller) -> None:
    secret, _ = with_totp(alice)
    assert sign_in(alice, code(secret)).status_code == 200
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=30)):
        assert sign_in(alice, code(secret)).status_code == 200


def test_otp_is_not_looked_at_where_none_is_asked_for(alice: Caller) -> None:
    assert sign_in(alice, "whatever").status_code == 200


@pytest.mark.parametrize("written", ["{}", " {} ", "UPPER", "no hyphens", "look-alikes"])
def test_recovery_code_signs_in_however_it_is_typed(alice: Caller, written: str) -> None:
    _, codes = with_totp(alice)
    typed = {
        "UPPER": codes[0].upper(),
        "no hyphens": codes[0].replace("-", ""),
        "look-alikes": codes[0].replace("0", "O").replace("1", "l"),
    }.get(written, written.format(codes[0]))
    assert sign_in(alice, typed).status_code == 200
    assert alice.get("/users/me/totp").json["recovery_codes_left"] == 9


@pytest.mark.asvs("6.5.1")
def test_recovery_code_is_good_once(app: Flask, alice: Caller) -> None:
    _, codes = with_totp(alice)
    assert [sign_in(alice, codes[3]).status_code for _ in range(2)] == [200, 401]
    assert sign_in(alice, codes[4]).status_code == 200
    assert events(app).count(("recovery_code.used", "success")) == 2


def test_recovery_codes_of_another_open_nothing(alice: Caller, bob: Caller) -> None:
    with_totp(alice)
    _, codes = with_totp(bob)
    assert sign_in(alice, codes[0]).status_code == 401


def test_renewing_recovery_codes_ends_the_old_ones(alice: Caller) -> None:
    _, old = with_totp(alice)
    new = alice.post("/users/me/recovery-codes").json["recovery_codes"]
    assert len(set(new) - set(old)) == 10
    assert sign_in(alice, old[0]).status_code == 401
    assert sign_in(alice, new[0]).status_code == 200


def test_recovery_codes_need_one_time_codes(alice: Caller) -> None:
    assert error(alice.post("/users/me/recovery-codes"))[:2] == (409, "CONFLICT")


def test_switching_on_twice_is_a_conflict(alice: Caller) -> None:
    secret, _ = with_totp(alice)
    assert error(alice.post("/users/me/totp"))[:2] == (409, "CONFLICT")
    assert sign_in(alice, code(secret)).status_code == 200


def test_confirming_twice_gives_no_codes(alice: Caller) -> None:
    secret, _ = with_totp(alice)
    assert alice.post("/users/me/totp/confirm", json={"code": code(secret)}).status_code == 403


def test_new_secret_replaces_the_unconfirmed_one(alice: Caller) -> None:
    old, new = start_totp(alice), start_totp(alice)
    assert alice.post("/users/me/totp/confirm", json={"code": code(old)}).status_code == 403
    assert alice.post("/users/me/totp/confirm", json={"code": code(new)}).status_code == 200


@pytest.mark.asvs("6.5.6")
def test_switched_off_it_is_asked_for_no_more(app: Flask, alice: Caller) -> None:
    with_totp(alice)
    assert alice.delete("/users/me/totp").status_code == 204
    assert sign_in(alice).status_code == 200
    assert alice.get("/users/me/totp").json["recovery_codes_left"] == 0
    assert ("totp.removed", "success") in events(app)


def test_switching_off_what_is_off_is_404(alice: Caller) -> None:
    assert alice.delete("/users/me/totp").status_code == 404
    start_totp(alice)
    assert alice.delete("/users/me/totp").status_code == 404


@pytest.mark.asvs("6.5.2")
def test_neither_secret_nor_code_lies_readable_in_the_database(app: Flask, alice: Caller) -> None:
    secret, codes = with_totp(alice)
    with app.app_context(), database.reading() as connection:
        sealed = connection.scalar(select(Totp.secret))
        hashes = connection.scalars(select(RecoveryCode.code_hash)).all()
    assert sealed is not None and secret.encode() not in sealed
    assert all(len(found) == 64 and found not in codes for found in hashes)


def test_with_another_secret_key_recovery_codes_still_open(app: Flask, alice: Caller) -> None:
    secret, codes = with_totp(alice)
    app.config["SECRET_KEY"] = "another " * 8
    assert sign_in(alice, code(secret)).status_code == 401
    assert sign_in(alice, codes[0]).status_code == 200


CALLS = [
    ("POST", "/users/me/totp"),
    ("DELETE", "/users/me/totp"),
    ("POST", "/users/me/recovery-codes"),
    ("POST", "/users/me/passkey-options"),
    ("DELETE", "/users/me/passkeys/psk_none"),
]


@pytest.mark.asvs("7.5.1", "10.3.4")
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_token_of_an_old_sign_in_changes_no_factor(app: Flask, alice: Caller, method: str, path: str) -> None:
    with_totp(alice)
    long_ago = datetime.now(UTC) - timedelta(minutes=6)
    set_column(app, Session, created_at=long_ago, reauthenticated_at=None)
    answer = alice.call(method, path)
    assert error(answer)[:2] == (403, "FORBIDDEN")
    assert answer.json["error"]["reason"] == "reauthentication_required"


def test_showing_again_who_one_is_opens_the_way(app: Flask, alice: Caller) -> None:
    set_column(app, Session, created_at=datetime.now(UTC) - timedelta(hours=1))
    assert alice.post("/users/me/totp").status_code == 403
    assert alice.post("/auth/reauthenticate", json={"password": PASSWORD}).status_code == 204
    secret, _ = with_totp(alice)
    set_column(app, Session, reauthenticated_at=None)
    password = {"password": PASSWORD}
    assert error(alice.post("/auth/reauthenticate", json=password)) == (401, "OTP_REQUIRED", "otp")
    wrong = alice.post("/auth/reauthenticate", json={**password, "otp": "000000"})
    assert error(wrong) == (403, "WRONG_CODE", "otp")
    assert events(app)[-2:] == [("session.reauthenticated", "failure")] * 2
    assert alice.delete("/users/me/totp").status_code == 403
    assert alice.post("/auth/reauthenticate", json={**password, "otp": code(secret)}).status_code == 204
    assert alice.delete("/users/me/totp").status_code == 204


@pytest.mark.parametrize(
    "body", [{}, {"password": None}, {"password": "not the right one"}, {"otp": "123456"}]
)
def test_reauthenticating_takes_the_password(app: Flask, alice: Caller, body: dict[str, str]) -> None:
    assert error(alice.post("/auth/reauthenticate", json=body)) == (403, "WRONG_PASSWORD", "password")
    assert events(app)[-1] == ("session.reauthenticated", "failure")


@pytest.mark.asvs("6.3.3", "10.3.4")
def test_admin_has_the_role_once_two_factors_are_shown(make_app: AppFactory) -> None:
    app = make_app(REQUIRE_SECOND_FACTOR="admins")
    root = sign_up(app, "root")
    set_role(app, root, "admin")
    for call in ("/users", "/links?owner=all", "/audit-events?owner=usr_any"):
        refused = root.get(call)
        assert (refused.status_code, refused.json["error"].get("reason")) == (403, "second_factor_required")
    assert root.get("/users/me/totp").json["required"] is True
    secret, _ = with_totp(root)
    assert root.post("/cache/invalidate").status_code < 300
    kept = root.delete("/users/me/totp")
    assert (kept.status_code, kept.json["error"]["reason"]) == (403, "second_factor_required")
    assert root.get("/users/me/totp").json["enabled"] is True
    root.token = sign_in(root, code(secret)).json["access_token"]
    assert root.post("/cache/invalidate").status_code < 300
