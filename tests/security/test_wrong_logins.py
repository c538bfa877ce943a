"""1,000 wrong sign-ins at one account from 1,000 addresses: how many passwords are compared, and who still gets in
(issue 4; ASVS 5.0 6.3.1)."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from app import clock
from app.accounts import passwords
from tests.conftest import PASSWORD, AppFactory, Caller, sign_up

WRONG = 1000
AT_HOME = {"X-Forwarded-For": "198.51.100.7", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0"}
UPDATED = {
    **AT_HOME,
    "X-Forwarded-For": "198.51.100.9",
    "User-Agent": AT_HOME["User-Agent"].replace("130", "131"),
}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One engine: that a count is exact under concurrency on both is tested in tests/api/v1/test_auth_login.py."""
    return sqlite_url


@pytest.fixture
def app(make_app: AppFactory) -> Flask:
    return make_app(PROXY_HOPS="1")


@pytest.fixture
def owner(app: Flask) -> Caller:
    """Signed in at home before."""
    owner = sign_up(app, "owner")
    assert sign_in(owner, PASSWORD, AT_HOME) == 200
    return owner


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were compared, each in turn."""
    tried: list[str] = []
    compare = passwords.matches

    def noting(password: str, password_hash: str | None) -> bool:
        tried.append(password)
        return compare(password, password_hash)

    monkeypatch.setattr(passwords, "matches", noting)
    return tried


def sign_in(caller: Caller, password: str, headers: dict[str, str]) -> int:
    account = {"email": caller.email, "password": password}
    return Caller(caller.client).post("/auth/login", json=account, headers=headers).status_code


def attack(owner: Caller, number: int = WRONG) -> Counter[int]:
    """Wrong guesses, each from an address and network of its own; the answers' statuses."""
    return Counter(
        sign_in(
            owner, f"wrong password {number}", {"X-Forwarded-For": f"203.{number // 250}.{number % 250}.1"}
        )
        for number in range(number)
    )


@pytest.mark.asvs("6.3.1")
def test_thousand_wrong_sign_ins_compare_ten_passwords_and_the_owner_gets_in(
    owner: Caller, compared: list[str], figure: Callable[[str], None]
) -> None:
    statuses = attack(owner)
    figure(
        f"{WRONG} wrong sign-ins at one account, each from another address: {len(compared)} passwords compared"
    )
    assert (len(compared), statuses) == (10, {401: 10, 429: WRONG - 10})
    assert sign_in(owner, PASSWORD, AT_HOME) == 200
    assert sign_in(owner, PASSWORD, UPDATED) == 200
    assert sign_in(owner, PASSWORD, {"X-Forwarded-For": "192.0.2.200"}) == 429, (
        "a stranger, for all one can tell"
    )


@pytest.mark.asvs("6.3.1")
def test_attack_of_a_day_compares_a_hundred_passwords(owner: Caller, compared: list[str]) -> None:
    with time_machine.travel(clock.now(), tick=False) as travel:
        for _ in range(24):
            attack(owner, 12)
            travel.shift(timedelta(minutes=5))
    assert len(compared) == 100


def test_whole_account_is_not_vouched_for_by_another_accounts_device(owner: Caller, app: Flask) -> None:
    thief = sign_up(app, "thief")
    away = {**AT_HOME, "X-Forwarded-For": "192.0.2.77"}
    assert sign_in(thief, PASSWORD, away) == 200
    attack(owner, 10)
    assert sign_in(owner, PASSWORD, away) == 429
    assert sign_in(thief, PASSWORD, away) == 200


def test_known_device_has_ten_guesses_of_its_own_and_no_more(owner: Caller, compared: list[str]) -> None:
    for number in range(12):
        sign_in(owner, "wrong password", {**AT_HOME, "X-Forwarded-For": f"198.51.100.{number}"})
    assert len(compared) == 10
    assert sign_in(owner, PASSWORD, {**AT_HOME, "X-Forwarded-For": "198.51.100.200"}) == 429
