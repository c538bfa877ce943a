"""Wire shapes of /auth."""

from typing import Any

from flask import url_for
from marshmallow import Schema, fields

from app.accounts.models import Session
from app.api.access import current_principal
from app.api.fields import Text, Time


class Register(Schema):
    """A new account."""

    email = Text(254, required=True, metadata={"format": "email", "example": "ada@example.org"})
    # Bounds of a password are the noun's: it counts characters after NFKC.
    password = Text(1024, required=True, metadata={"format": "password", "example": "correct horse battery"})
    name = Text(100, allow_none=True, load_default=None, metadata={"example": "Ada"})


class Login(Schema):
    """A sign-in."""

    email = Text(254, required=True, metadata={"format": "email", "example": "ada@example.org"})
    password = Text(1024, required=True, metadata={"format": "password", "example": "correct horse battery"})


class Tokens(Schema):
    """A pair of tokens; `expires_in` seconds for the access token."""

    access_token = fields.String(required=True)
    refresh_token = fields.String(required=True)
    token_type = fields.Constant("Bearer", required=True, metadata={"type": "string"})
    expires_in = fields.Integer(required=True, metadata={"example": 900})


class SessionOut(Schema):
    """A sign-in that is still good."""

    id = fields.String(
        attribute="public_id", required=True, metadata={"example": "ses_4kTbW0yZpQ2mN8vXc1LrDs"}
    )
    device = fields.String(attribute="user_agent", required=True)
    ip_prefix = fields.String(required=True, metadata={"example": "192.0.2.0/24"})
    current = fields.Method("_current", required=True, metadata={"type": "boolean"})
    created_at = Time(required=True)
    last_used_at = Time(required=True)
    expires_at = Time(required=True)
    _links = fields.Method("_hrefs", data_key="_links", required=True, metadata={"type": "object"})

    def _current(self, session: Session) -> bool:
        return session.public_id == current_principal().session

    def _hrefs(self, session: Session) -> dict[str, Any]:
        return {"self": {"href": url_for("v1_auth.list_sessions")}}


class SessionList(Schema):
    """The caller's sessions, the latest first."""

    items = fields.List(fields.Nested(SessionOut), required=True)
