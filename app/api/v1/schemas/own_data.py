"""The shape of what a person carries away.

Of lists that may have a million rows the items are made by hand: marshmallow would take several times as long.
"""

from datetime import datetime
from typing import Any

from marshmallow import Schema, fields, pre_dump

from app.accounts.models import Session, User
from app.api.fields import Time, rfc3339
from app.api.v1.schemas.api_keys import KeyOut
from app.api.v1.schemas.audit import EventOut, as_stored
from app.api.v1.schemas.auth import SessionOut
from app.api.v1.schemas.factors import PasskeyOut, TotpOut
from app.api.v1.schemas.identities import IdentityOut
from app.api.v1.schemas.links import ClicksOut, LinkOut
from app.api.v1.schemas.users import UserOut
from app.clicks.own_data import OwnLink
from app.links import short_urls, states

LEFT_OUT = {
    "clicks": "Single clicks are your visitors' data: GET /links/{code}/clicks, as long as they are kept.",
    "statistics": "By hour, country and so on: GET /stats/export and GET /links/{code}/stats/export.",
    "secrets": "Of passwords, keys, codes and tokens hashes are kept, which tell you nothing.",
    "mail_texts": "What a waiting mail says reaches you by mail alone, since it may open your account.",
    "answers": "Answers to calls with an Idempotency-Key are kept for a day; they repeat what is here.",
}
_FACTS = ("blocked_reason", "deleted_at", "enabled", "starts_at", "expires_at", "max_clicks", "clicks_used")
_TIMES = ("starts_at", "expires_at", "created_at", "updated_at", "deleted_at")


class ExportedAccount(UserOut):
    """The account."""

    class Meta:
        exclude = ("_links",)

    has_password = fields.Boolean(required=True, metadata={"example": True})

    @pre_dump
    def _shown(self, user: User, **_kwargs: Any) -> dict[str, Any]:
        return {**super()._shown(user), "has_password": user.password_hash is not None}


class ExportedSecondFactor(TotpOut):
    """Whether one-time codes are on."""

    class Meta:
        exclude = ("_links",)


class ExportedDevices(Schema):
    """Devices that one signed in from; what is kept of each tells nothing."""

    count = fields.Integer(required=True, metadata={"example": 2})
    last_seen_at = Time(required=True, allow_none=True)


class ExportedSession(SessionOut):
    """A sign-in, also one that has ended."""

    ended_at = Time(required=True, allow_none=True, metadata={"example": None})
    two_factors = fields.Boolean(
        required=True, metadata={"description": "Whether two factors were shown in it.", "example": False}
    )
    reauthenticated_at = Time(required=True, allow_none=True, metadata={"example": None})

    @pre_dump
    def _shown(self, session: Session, **_kwargs: Any) -> dict[str, Any]:
        more = ("ended_at", "two_factors", "reauthenticated_at")
        return {**super()._shown(session)} | {name: getattr(session, name) for name in more}


class ExportedKey(KeyOut):
    """An API key, without its secret."""

    class Meta:
        exclude = ("_links",)


class ExportedToken(Schema):
    """A token that was sent by mail and not used; the token itself is not kept."""

    purpose = fields.String(
        required=True, metadata={"enum": ["verify", "reset", "email"], "example": "email"}
    )
    address = fields.String(required=True, metadata={"example": "ada@example.com"})
    expires_at = Time(required=True)


class ExportedMail(Schema):
    """A mail that waits to be sent."""

    to = fields.String(required=True, allow_none=True, metadata={"example": "ada@example.org"})
    subject = fields.String(required=True, allow_none=True, metadata={"example": "New sign-in - Slugline"})
    created_at = Time(required=True)
    expires_at = Time(required=True)


class ExportedUse(Schema):
    """How often a deprecated call was made on a day."""

    operation = fields.String(required=True, metadata={"example": "GET /api/v1/links/{code}"})
    day = fields.Date(required=True, metadata={"example": "2026-04-01"})
    uses = fields.Integer(required=True, metadata={"example": 3})
    last_at = Time(required=True)


class ExportedLink(LinkOut):
    """A link. One that was deleted too long ago to be restored has an empty `url`: what is left is its code."""

    class Meta:
        exclude = ("owner", "_links")

    deleted_at = Time(required=True, allow_none=True, metadata={"example": None})
    clicks_used = fields.Integer(
        required=True, metadata={"description": "Spent from `max_clicks`.", "example": 0}
    )
    clicks = fields.Nested(ClicksOut, required=True)


class ExportedEvent(EventOut):
    """An event: ids that tell no person."""

    class Meta:
        exclude = ("actor_email",)


class OwnDataOut(Schema):
    """All that is kept about a person; lists begin with the oldest."""

    exported_at = Time(required=True)
    left_out = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={"description": "What is not in it, and why, or where it is.", "example": LEFT_OUT},
    )
    account = fields.Nested(ExportedAccount, required=True)
    avatar = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The picture, as a `data:` URL.", "example": "data:image/png;base64,iVBO…"},
    )
    second_factor = fields.Nested(ExportedSecondFactor, required=True)
    known_devices = fields.Nested(ExportedDevices, required=True)
    sessions = fields.List(fields.Nested(ExportedSession), required=True)
    passkeys = fields.List(fields.Nested(PasskeyOut), required=True)
    identities = fields.List(fields.Nested(IdentityOut), required=True)
    api_keys = fields.List(fields.Nested(ExportedKey), required=True)
    tokens_sent = fields.List(fields.Nested(ExportedToken), required=True)
    mails_waiting = fields.List(fields.Nested(ExportedMail), required=True)
    deprecated_calls = fields.List(fields.Nested(ExportedUse), required=True)
    tags = fields.List(fields.String(), required=True, metadata={"example": ["mail", "sale"]})
    links = fields.List(fields.Nested(ExportedLink), required=True)
    events = fields.List(
        fields.Nested(ExportedEvent),
        required=True,
        metadata={"description": "Of the account; then what its person did to others' affairs."},
    )


def link_shown(link: OwnLink, now: datetime) -> dict[str, Any]:
    """An ExportedLink."""
    row = link.row._mapping
    totals = link.clicks
    return {
        "code": row["code"],
        "domain": link.host,
        "short_url": short_urls.url_at(link.host, row["code"]),
        "url": row["url"],
        "title": row["title"],
        "notes": row["notes"],
        "tags": link.tags,
        "redirect_status": row["redirect_status"],
        "forward_query": row["forward_query"],
        "enabled": row["enabled"],
        "max_clicks": row["max_clicks"],
        "clicks_used": row["clicks_used"],
        "has_password": row["password_hash"] is not None,
        "status": states.state(**{name: row[name] for name in _FACTS}, now=now),
        "blocked_reason": row["blocked_reason"],
        **{name: _told(row[name]) for name in _TIMES},
        "clicks": {
            "total": totals.total,
            "humans": totals.humans,
            "bots": totals.bots,
            "last_at": _told(totals.last_at),
        },
    }


def event_shown(event: Any) -> dict[str, Any]:
    """An ExportedEvent."""
    return {**as_stored(event), "at": rfc3339(event.at)}


def _told(time: datetime | None) -> str | None:
    return None if time is None else rfc3339(time)
