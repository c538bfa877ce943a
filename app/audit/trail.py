"""Recording events, in the transaction of what they tell of: neither is kept without the other."""

from typing import Any

from app import clock
from app.audit import circumstances
from app.audit.models import AuditEvent
from app.extensions import db
from app.ids import opaque_id


def record(
    action: str,
    subject: str | None,
    *,
    owner: str | None,
    actor: str | None = None,
    failed: bool = False,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add an event to the session; it is stored when that commits.

    `action` is the noun and what became of it, in the past tense ("session.begun", "api_key.revoked"). `actor` is
    for a call that nobody is signed in to, and defaults to the one the door named. Of a refusal that is to be
    recorded the error must be one that keeps (`AppError.keeps`). `before` and `after` hold what tells no person and
    no secret: roles, statuses, scopes, times, and the names of fields.
    """
    now = circumstances.current()
    db.session.add(
        AuditEvent(
            public_id=opaque_id("evt"),
            at=clock.now(),
            action=action,
            outcome="failure" if failed else "success",
            actor=actor or now.actor,
            credential=now.credential,
            subject=subject,
            owner=owner,
            before=before,
            after=after,
            request_id=now.request_id,
            ip_prefix=now.ip_prefix,
        )
    )
