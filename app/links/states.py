"""What state a link is in: one rule, for rows in hand and for rows in the database.

States win in the order of `State`: a link that is both expired and disabled is disabled, at every door.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, case

from app.links.models import Link


class State(StrEnum):
    """The states in the order in which they win (contract, "Links"). Only ACTIVE leads to the target."""

    BLOCKED = "blocked"
    DELETED = "deleted"
    DISABLED = "disabled"
    SCHEDULED = "scheduled"
    EXPIRED = "expired"
    EXHAUSTED = "exhausted"
    ACTIVE = "active"


def state(
    *,
    blocked_reason: str | None,
    deleted_at: datetime | None,
    enabled: bool,
    starts_at: datetime | None,
    expires_at: datetime | None,
    max_clicks: int | None,
    clicks_used: int,
    now: datetime,
) -> State:
    """The state at `now`. A link is live from `starts_at` on and up to, not including, `expires_at`."""
    facts = {
        State.BLOCKED: blocked_reason is not None,
        State.DELETED: deleted_at is not None,
        State.DISABLED: not enabled,
        State.SCHEDULED: starts_at is not None and starts_at > now,
        State.EXPIRED: expires_at is not None and expires_at <= now,
        State.EXHAUSTED: max_clicks is not None and clicks_used >= max_clicks,
        State.ACTIVE: True,
    }
    return next(name for name in State if facts[name])


def state_of(link: Link, now: datetime) -> State:
    """The state of `link` at `now`."""
    return state(
        blocked_reason=link.blocked_reason,
        deleted_at=link.deleted_at,
        enabled=link.enabled,
        starts_at=link.starts_at,
        expires_at=link.expires_at,
        max_clicks=link.max_clicks,
        clicks_used=link.clicks_used,
        now=now,
    )


def changed_at(link: Link, now: datetime) -> datetime | None:
    """When what a link shows of itself last changed, its state included.

    None where nobody noted it: a link with a click limit is exhausted by a visit.
    """
    if link.max_clicks is not None:
        return None
    passed = (time for time in (link.starts_at, link.expires_at) if time is not None and time <= now)
    return max([link.updated_at, *passed])


def has_state(wanted: State, now: datetime) -> ColumnElement[bool]:
    """`state_of(link, now) == wanted` as a condition; a comparison with NULL is no fact in either."""
    facts: dict[State, ColumnElement[bool]] = {
        State.BLOCKED: Link.blocked_reason.is_not(None),
        State.DELETED: Link.deleted_at.is_not(None),
        State.DISABLED: Link.enabled.is_(False),
        State.SCHEDULED: Link.starts_at > now,
        State.EXPIRED: Link.expires_at <= now,
        State.EXHAUSTED: Link.clicks_used >= Link.max_clicks,
    }
    winner = case(*((facts[name], name.value) for name in State if name in facts), else_=State.ACTIVE.value)
    return winner == wanted.value
