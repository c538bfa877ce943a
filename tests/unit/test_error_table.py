"""app/errors.py: every refusal has a status and a code of the contract."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import app
from app import errors
from app.errors import (
    AppError,
    AuthRequired,
    FieldError,
    InvalidToken,
    RateLimited,
    Unavailable,
    ValidationFailed,
)

ROOT = Path(__file__).resolve().parents[2]


def every_refusal(base: type[AppError] = AppError) -> list[type[AppError]]:
    for module in pkgutil.walk_packages(app.__path__, "app."):
        importlib.import_module(module.name)
    found = [base]
    for kind in found:
        found += kind.__subclasses__()
    return found


@pytest.mark.parametrize("kind", every_refusal(), ids=lambda kind: kind.__name__)
def test_status_and_code_stand_in_the_table_of_errors(kind: type[AppError]) -> None:
    rows = [line for line in (ROOT / "docs/errors.md").read_text().splitlines() if line.startswith("| ")]
    cells = [line.split("|")[1:3] for line in rows]
    assert any(str(kind.status) in status.split() and f"`{kind.code}`" in code for status, code in cells), (
        kind.status,
        kind.code,
    )


@pytest.mark.parametrize("kind", every_refusal(), ids=lambda kind: kind.__name__)
def test_message_is_a_sentence_that_a_header_can_carry(kind: type[AppError]) -> None:
    assert re.fullmatch(r"[A-Z][ -~]+\.", kind.message), kind.message


def test_several_fields_are_one_refusal_that_names_the_first() -> None:
    refusal = ValidationFailed.of([FieldError("url", "Bad."), FieldError("code", "Worse.")])
    assert (refusal.field, refusal.message) == ("url", "Bad.")
    assert [detail.field for detail in refusal.details] == ["url", "code"]


def test_refusal_of_the_body_as_a_whole_names_no_field() -> None:
    refusal = ValidationFailed.of([FieldError("", "Invalid input type.")])
    assert (refusal.field, refusal.message, refusal.details) == (None, "Invalid input type.", ())


def test_challenges_tell_a_bad_token_from_none() -> None:
    assert AuthRequired().headers == {"WWW-Authenticate": "Bearer"}
    assert AuthRequired(reason="expired").headers == {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    assert InvalidToken().headers == {"WWW-Authenticate": 'Bearer error="invalid_token"'}


@pytest.mark.parametrize(("seconds", "sent"), [(-3, "1"), (0, "1"), (1, "1"), (61, "61")])
def test_retry_after_is_at_least_a_second(seconds: int, sent: str) -> None:
    assert RateLimited(seconds).headers["Retry-After"] == sent


def test_unavailable_says_when_to_come_again() -> None:
    assert Unavailable().headers["Retry-After"] == "2"
    assert errors.InternalError().message == "Something went wrong on our side."
