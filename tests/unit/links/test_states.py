"""The order in which states win, and where their times begin and end."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.links.states import State, state

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
PLAIN: dict[str, Any] = {
    "blocked_reason": None,
    "deleted_at": None,
    "enabled": True,
    "starts_at": None,
    "expires_at": None,
    "max_clicks": None,
    "clicks_used": 0,
}
# One fact for each state, in the order of the contract.
FACTS: list[tuple[State, dict[str, Any]]] = [
    (State.BLOCKED, {"blocked_reason": "phishing"}),
    (State.DELETED, {"deleted_at": NOW}),
    (State.DISABLED, {"enabled": False}),
    (State.SCHEDULED, {"starts_at": NOW + TICK}),
    (State.EXPIRED, {"expires_at": NOW}),
    (State.EXHAUSTED, {"max_clicks": 5, "clicks_used": 5}),
]


def test_plain_link_is_active() -> None:
    assert state(**PLAIN, now=NOW) is State.ACTIVE


@pytest.mark.parametrize("first", range(len(FACTS)), ids=lambda number: FACTS[number][0].value)
def test_state_wins_over_all_that_come_after_it(first: int) -> None:
    facts: dict[str, Any] = {}
    for _, fact in FACTS[first:]:
        facts |= fact
    assert state(**{**PLAIN, **facts}, now=NOW) is FACTS[first][0]


@pytest.mark.parametrize("number", range(len(FACTS)), ids=lambda number: FACTS[number][0].value)
def test_each_fact_alone_makes_its_state(number: int) -> None:
    wanted, fact = FACTS[number]
    assert state(**{**PLAIN, **fact}, now=NOW) is wanted


@pytest.mark.parametrize(
    "facts",
    [
        {"starts_at": NOW},
        {"expires_at": NOW + TICK},
        {"max_clicks": 5, "clicks_used": 4},
        {"clicks_used": 1_000_000},
    ],
    ids=["just started", "about to expire", "one click left", "clicks without a limit"],
)
def test_link_is_active_up_to_the_edge(facts: dict[str, Any]) -> None:
    assert state(**{**PLAIN, **facts}, now=NOW) is State.ACTIVE


def test_blocked_reason_may_be_empty() -> None:
    assert state(**{**PLAIN, "blocked_reason": ""}, now=NOW) is State.BLOCKED
