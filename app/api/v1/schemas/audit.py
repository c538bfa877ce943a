"""Wire shapes of the audit log."""

from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, fields, pre_dump, validate

from app.api.fields import Text, Time
from app.api.pagination import Items, PageHrefs, PageQuery, PageSchema, chosen_from
from app.audit.models import AuditEvent

_USER = "usr_4kTbW0yZpQ2mN8vXc1LrDs"


@dataclass(frozen=True)
class Named:
    """An event, and the e-mail address that its actor has now, where the caller may know it."""

    event: AuditEvent
    actor_email: str | None


class EventOut(Schema):
    """An event: ids that tell no person, and the address of the one who acted."""

    id = fields.String(required=True, metadata={"example": "evt_4kTbW0yZpQ2mN8vXc1LrDs"})
    at = Time(required=True, metadata={"example": "2026-04-01T09:30:00.000Z"})
    action = fields.String(required=True, metadata={"example": "link.changed"})
    outcome = fields.String(required=True, metadata={"enum": ["success", "failure"], "example": "success"})
    actor = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "A user's id, `operator`, `system`; null for somebody unknown.",
            "example": _USER,
        },
    )
    credential = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The session or API key used.", "example": "ses_4kTbW0yZpQ2mN8vXc1LrDs"},
    )
    subject = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "What it was done to.", "example": "go.example.org/spring"},
    )
    owner = fields.String(
        required=True, allow_none=True, metadata={"description": "Whose affair it is.", "example": _USER}
    )
    before = fields.Dict(keys=fields.String(), required=True, allow_none=True, metadata={"example": None})
    after = fields.Dict(
        keys=fields.String(),
        required=True,
        allow_none=True,
        metadata={"example": {"fields": ["title", "url"]}},
    )
    request_id = fields.String(
        required=True, allow_none=True, metadata={"example": "req_8f3a2b1cJd0SKe3hQm7TzA"}
    )
    ip_prefix = fields.String(
        required=True, metadata={"description": "The network alone.", "example": "192.0.2.0/24"}
    )
    actor_email = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "The address that the actor has now: one's own, or for an admin anybody's; null once "
            "the account is closed.",
            "example": "ada@example.org",
        },
    )

    @pre_dump
    def _flat(self, named: Named, **_kwargs: Any) -> dict[str, Any]:
        return {**as_stored(named.event), "actor_email": named.actor_email}


class EventList(Schema):
    """A page of events, the latest first."""

    items = Items(EventOut)
    page = fields.Nested(PageSchema, required=True)
    _links = fields.Nested(PageHrefs, required=True)


class EventQuery(Schema):
    """Which events."""

    action = Text(64, least=1, metadata={"description": "What was done: `session.begun`, `link.changed`, …"})
    outcome = fields.String(validate=validate.OneOf(["success", "failure"]))
    actor = Text(40, least=1, metadata={"description": "Who did it: a user's id, `operator` or `system`."})
    subject = Text(400, least=1, metadata={"description": "What it was done to, as the event names it."})
    owner = Text(40, least=1, metadata={"description": "For admins: whose affair, by the user's id."})
    start = Time(data_key="from", metadata={"description": "Events at this time or later."})
    end = Time(data_key="to", metadata={"description": "Events before this time."})


class EventListQuery(PageQuery, EventQuery):
    """Which events, which page of them, and what of each."""

    chosen = chosen_from(EventOut)


def as_stored(event: Any) -> dict[str, Any]:
    """An event, or a row of one, under the names that answers have."""
    return {"id": event.public_id} | {name: getattr(event, name) for name in _STORED}


_STORED = tuple(name for name in EventOut._declared_fields if name not in ("id", "actor_email"))
