"""Wire shapes of /users/me/identities."""

from typing import Any

from marshmallow import Schema, fields, pre_dump

from app.accounts.models import Identity
from app.api.fields import Time
from app.api.pagination import Items, PageHrefs, PageQuery, PageSchema, chosen_from


class IdentityOut(Schema):
    """Who one is at a provider; `subject` is what the issuer calls one."""

    id = fields.String(required=True, metadata={"example": "idn_4kTbW0yZpQ2mN8vXc1LrDs"})
    provider = fields.String(required=True, metadata={"example": "google"})
    issuer = fields.String(required=True, metadata={"example": "https://accounts.google.com"})
    subject = fields.String(required=True, metadata={"example": "110169484474386276334"})
    created_at = Time(required=True)
    last_used_at = Time(required=True)

    @pre_dump
    def _shown(self, identity: Identity, **_kwargs: Any) -> dict[str, Any]:
        columns = ("provider", "issuer", "subject", "created_at", "last_used_at")
        return {"id": identity.public_id} | {name: getattr(identity, name) for name in columns}


class IdentityItem(IdentityOut):
    """An identity in a list."""


class IdentityList(Schema):
    """The providers linked to the caller, the latest first."""

    items = Items(IdentityItem)
    page = fields.Nested(PageSchema, required=True)
    _links = fields.Nested(PageHrefs, required=True)


class IdentityListQuery(PageQuery):
    """Which page, and what of it."""

    chosen = chosen_from(IdentityItem)
