"""Whether an address has an account is told by no answer, and by the time of none (ASVS 5.0 6.3.8).

A two-sample test: each door is asked for a known and an unknown address in turns, and the processor's time that the
answering thread took is compared: hashing and SQLite run in it, and a busy machine does not change it as it changes
the clock's. A leak is a shift of the median of more than a quarter of what hashing a password costs that comes by
chance less than once in a million times (Mann-Whitney, normal approximation). The control, in which nobody's hash is
burnt, is found by the same measure.
"""

import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.accounts import passwords
from app.cli.worker import answer_petitions
from tests.conftest import PASSWORD, Caller, sign_up
from tests.mailbox import UNLIMITED
from tests.sharing import shared

PAIRS = 30
LARGEST_SHIFT = 0.25
"""Of the cost of a hash."""
LARGEST_P = 1e-6
SETTINGS = {**UNLIMITED, "GUESSES_LOGIN_IP": "none", "GUESSES_ACCOUNT": "none", "PASSWORD_ROUNDS": "100000"}
"""Some 13 ms a hash: well above what else a call costs to vary, on a machine whose cores others share too."""
OTHER = "not the right one"
DOORS: dict[str, tuple[str, dict[str, str]]] = {
    "login": ("/auth/login", {"password": OTHER}),
    "register": ("/auth/register", {"password": OTHER}),
    "forgot": ("/auth/password/forgot", {}),
    "resend": ("/auth/verify/resend", {}),
}

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def house(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("enumeration")
    with shared(sqlite_template, folder, **SETTINGS) as app:
        yield app


@pytest.fixture(scope="module")
def known(house: Flask) -> Caller:
    """Somebody who has an account; from here on addresses are verified."""
    caller = sign_up(house, "known")
    caller.token = None
    house.config["EMAIL_VERIFICATION"] = True
    return caller


@dataclass(frozen=True)
class Difference:
    """Between two samples of seconds: the shift of the median, as a share of a hash's cost, and how likely it is by
    chance."""

    shift: float
    p: float

    @property
    def is_leak(self) -> bool:
        return abs(self.shift) > LARGEST_SHIFT and self.p < LARGEST_P


def difference(one: list[float], other: list[float], unit: float) -> Difference:
    ranks = {value: rank for rank, value in enumerate(sorted(one + other), 1)}
    n, m = len(one), len(other)
    u = sum(ranks[value] for value in one) - n * (n + 1) / 2
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    shift = statistics.median(one) - statistics.median(other)
    return Difference(shift / unit, math.erfc(abs(z) / math.sqrt(2)))


def seconds(action: Callable[[], Any]) -> float:
    began = time.thread_time()
    action()
    return time.thread_time() - began


def measure(caller: Caller, door: str) -> Difference:
    """Ask for the known address and for one that nobody has, in turns; the first of a pair is now this, now that."""
    samples: tuple[list[float], list[float]] = ([], [])
    ask(caller, door, caller.email)
    for pair in range(PAIRS):
        for which in (0, 1) if pair % 2 else (1, 0):
            email = unknown() if which else caller.email
            samples[which].append(seconds(lambda email=email: ask(caller, door, email)))
    with caller.client.application.app_context():
        hashing = statistics.median(seconds(lambda: passwords.hashed(OTHER)) for _ in range(9))
        answer_petitions()
    return difference(*samples, hashing)


def ask(caller: Caller, door: str, email: str) -> TestResponse:
    path, body = DOORS[door]
    return caller.post(path, json={"email": email, **body})


def unknown() -> str:
    return f"nobody{next(_numbers)}@example.org"


def told(answer: TestResponse) -> tuple[int, Any, list[tuple[str, str]]]:
    """What an answer tells, but for the id and the time of the request."""
    body = answer.json
    if "error" in body:
        body["error"].pop("request_id")
    own = ("x-request-id", "date")
    return answer.status_code, body, [pair for pair in answer.headers if pair[0].lower() not in own]


@pytest.mark.asvs("6.3.8")
@pytest.mark.parametrize("door", DOORS)
def test_answer_is_the_same_whether_the_address_is_known(known: Caller, door: str) -> None:
    longer = f"nobody{'x' * (len(known.email) - len('nobody@example.org'))}@example.org"
    answers = [told(ask(known, door, email)) for email in (known.email, longer)]
    assert answers[0] == answers[1]
    assert answers[0][0] == (401 if door == "login" else 202)


@pytest.mark.asvs("6.3.8")
@pytest.mark.parametrize("door", DOORS)
def test_time_is_the_same_whether_the_address_is_known(
    known: Caller, door: str, figure: Callable[[str], None]
) -> None:
    found = measure(known, door)
    figure(
        f"enumeration, {door}: known and unknown differ by {found.shift:+.2f} of a hash, p = {found.p:.1g}"
    )
    assert not found.is_leak, found


def test_the_measure_finds_a_leak(
    known: Caller, monkeypatch: pytest.MonkeyPatch, figure: Callable[[str], None]
) -> None:
    """The control: without a hash for nobody the unknown address is answered a hash faster."""
    real = passwords.matches
    monkeypatch.setattr(
        passwords, "matches", lambda password, stored: stored is not None and real(password, stored)
    )
    found = measure(known, "login")
    figure(f"enumeration, control: {found.shift:+.2f} of a hash, p = {found.p:.1g}")
    assert found.is_leak and found.shift > 0.5, found


def test_the_reset_of_an_unknown_token_tells_nothing_of_accounts(known: Caller) -> None:
    answers = [
        told(known.post("/auth/password/reset", json={"token": token, "password": PASSWORD}))
        for token in ("a" * 32, "b" * 32)
    ]
    assert answers[0] == answers[1]
