"""/audit-events: who did what, when and from where."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import fields as fields_of
from typing import Any

from flask import Response, request

from app import clock
from app.accounts import users
from app.accounts.second_factor import SecondFactorRequired
from app.api import files, pagination
from app.api.access import current_principal, scope
from app.api.blueprint import Blueprint, raises
from app.api.fields import rfc3339
from app.api.v1.schemas.audit import EventList, EventListQuery, EventQuery, Named, as_stored
from app.audit import listing, trail
from app.audit.listing import Filters
from app.audit.models import AuditEvent
from app.errors import Forbidden

blueprint = Blueprint(
    "v1_audit", __name__, url_prefix="/audit-events", description="Who did what, when and from where."
)

FILE = {"Content-Disposition": {"description": "The file's name.", "schema": {"type": "string"}}}
EXAMPLE = '{"id": "evt_4kTbW0yZpQ2mN8vXc1LrDs", "action": "session.begun", "outcome": "success"}\n'


@blueprint.get("")
@scope("admin")
@raises(Forbidden)
@blueprint.arguments(EventListQuery, location="query")
@blueprint.response(200, EventList, headers=pagination.PAGES)
def list_audit_events(query: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """List audit events.

    The latest first: those of one's own account, for admins all. An API key needs the scope `admin` even for its
    owner's.
    """
    return pagination.answer(listing.events(_wanted(query)), query, _named)


@blueprint.get("/export")
@scope("admin")
@raises(Forbidden)
@blueprint.arguments(EventQuery, location="query")
@blueprint.response(200, content_type=files.NDJSON, example=EXAMPLE, headers=FILE)
def export_audit_events(query: dict[str, Any]) -> Response:
    """Download audit events.

    A line of JSON for each, the oldest first, with ids alone. That they were downloaded is an event too.
    """
    wanted = _wanted(query)
    if request.method == "GET":  # HEAD takes nothing away
        trail.record_apart(trail.event("audit.exported", wanted.owner, current_principal().user))
    with closing(listing.every(wanted)) as events:
        rows = ({**as_stored(event), "at": rfc3339(event.at)} for event in events)
        return files.ndjson_file(f"slugline-audit-{clock.now():%Y%m%d}", rows)


def _wanted(query: dict[str, Any]) -> Filters:
    """The filters, of which only an admin chooses the owner. Raises Forbidden, or SecondFactorRequired."""
    principal = current_principal()
    filters = {field.name: query.get(field.name) for field in fields_of(Filters)}
    if principal.role != "admin":
        if filters["owner"] not in (None, principal.user):
            if principal.is_withheld:
                raise SecondFactorRequired()
            raise Forbidden("Only admins read the events of others.", field="owner")
        filters["owner"] = principal.user
    return Filters(**filters)


def _named(events: Sequence[AuditEvent]) -> list[Named]:
    """The events with the addresses that the caller may know."""
    principal = current_principal()
    actors = {event.actor for event in events if event.actor and event.actor.startswith("usr_")}
    known = users.emails(actors if principal.role == "admin" else actors & {principal.user})
    return [Named(event, known.get(event.actor or "")) for event in events]
