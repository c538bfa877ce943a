"""Which times may stand beside each other."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.errors import ValidationFailed
from app.links.models import Link
from app.links.writing import check_period

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PAST, FUTURE, LATER = NOW - timedelta(days=1), NOW + timedelta(days=1), NOW + timedelta(days=2)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"starts_at": PAST},
        {"starts_at": None, "expires_at": None},
        {"starts_at": FUTURE, "expires_at": LATER},
        {"expires_at": NOW + timedelta(milliseconds=1)},
    ],
)
def test_possible_times_pass(fields: dict[str, Any]) -> None:
    check_period(fields, NOW)


@pytest.mark.asvs("2.2.3")
@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"expires_at": PAST}, ["expires_at"]),
        ({"expires_at": NOW}, ["expires_at"]),
        ({"starts_at": LATER, "expires_at": FUTURE}, ["expires_at"]),
        ({"starts_at": FUTURE, "expires_at": FUTURE}, ["expires_at"]),
        ({"starts_at": FUTURE, "expires_at": FUTURE + timedelta(microseconds=9)}, ["expires_at"]),
        ({"starts_at": FUTURE, "expires_at": PAST}, ["expires_at", "expires_at"]),
    ],
    ids=["past", "now", "backwards", "same", "same millisecond", "past and backwards"],
)
def test_impossible_times_are_refused(fields: dict[str, Any], named: list[str]) -> None:
    with pytest.raises(ValidationFailed) as refused:
        check_period(fields, NOW)
    assert [detail.field for detail in refused.value.details] == named


def test_stored_past_expiry_can_be_sent_again() -> None:
    check_period({"starts_at": None, "expires_at": PAST}, NOW, Link(expires_at=PAST))


def test_another_past_expiry_is_refused_beside_a_stored_one() -> None:
    with pytest.raises(ValidationFailed):
        check_period({"expires_at": PAST - timedelta(days=1)}, NOW, Link(expires_at=PAST))


@pytest.mark.parametrize(
    ("fields", "stored", "field"),
    [
        ({"starts_at": LATER}, Link(expires_at=FUTURE), "starts_at"),
        ({"expires_at": FUTURE}, Link(starts_at=LATER), "expires_at"),
    ],
)
def test_sent_time_is_checked_beside_the_stored_one(fields: dict[str, Any], stored: Link, field: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        check_period(fields, NOW, stored)
    assert refused.value.field == field


def test_stored_times_are_nobodys_fault_when_none_is_sent() -> None:
    check_period({"title": "x"}, NOW, Link(expires_at=PAST))
