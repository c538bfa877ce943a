"""Wire shapes of /auth."""

from typing import Any, ClassVar

from marshmallow import Schema, fields, pre_dump

from app.accounts.models import Session
from app.accounts.tokens import TokenPair
from app.api.access import current_person
from app.api.fields import Text, Time, Transport
from app.api.pagination import Items, PageHrefs, PageQuery, PageSchema, chosen_from
from app.api.schema import Alternatives
from app.api.transport import CookieSession


class Register(Schema):
    """A new account."""

    email = Text(254, required=True, metadata={"format": "email", "example": "ada@example.org"})
    # Bounds of a password are the noun's: it counts characters after NFKC.
    password = Text(1024, required=True, metadata={"format": "password", "example": "correct horse battery"})
    name = Text(100, allow_none=True, load_default=None, metadata={"example": "Ada"})


class Login(Schema):
    """A sign-in."""

    email = Text(254, least=1, required=True, metadata={"format": "email", "example": "ada@example.org"})
    password = Text(
        1024, least=1, required=True, metadata={"format": "password", "example": "correct horse battery"}
    )
    otp = Text(
        64,
        allow_none=True,
        load_default=None,
        metadata={
            "description": "A one-time code or a recovery code; not looked at where none is asked for."
        },
    )
    transport = Transport()


class Address(Schema):
    """An e-mail address."""

    email = Text(254, required=True, metadata={"format": "email", "example": "ada@example.org"})


class OneTimeToken(Schema):
    """A token that was sent by e-mail."""

    token = Text(64, least=1, required=True, metadata={"example": "1kQ0bM3yXv7cR5tZ9wLd2sFhJpNgUeAi"})


class Proof(OneTimeToken):
    """A token that was sent by e-mail, and the password of the account that it is about."""

    password = Text(
        1024,
        least=1,
        allow_none=True,
        load_default=None,
        metadata={
            "description": "Without it, or with a wrong one, 403: who reads the mail must be who has the account.",
            "format": "password",
            "example": "correct horse battery",
        },
    )


class PasswordReset(OneTimeToken):
    """A token that was sent by e-mail, and the password that shall be."""

    password = Text(
        1024, least=1, required=True, metadata={"format": "password", "example": "another good long secret"}
    )


class Accepted(Schema):
    """What was asked is under way; the same for every address."""

    status = fields.Constant("accepted", required=True, metadata={"type": "string", "example": "accepted"})


class Tokens(Schema):
    """A pair of tokens; `expires_in` seconds for the access token."""

    access_token = fields.String(required=True, metadata={"example": "eyJhbGciOiJIUzI1NiJ9.eyJ0eXBlIjoi…"})
    refresh_token = fields.String(required=True, metadata={"example": "eyJhbGciOiJIUzI1NiJ9.eyJ0eXBlIjoi…"})
    token_type = fields.Constant("Bearer", required=True, metadata={"type": "string", "example": "Bearer"})
    expires_in = fields.Integer(required=True, metadata={"example": 900})


class CookieSessionOut(Schema):
    """A session whose tokens came as cookies; `expires_in` seconds for the access token."""

    csrf_token = fields.String(
        required=True,
        metadata={"description": "To send as X-CSRF-Token with each change.", "example": "b7Lw1yq….9f2c4e…"},
    )
    expires_in = fields.Integer(required=True, metadata={"example": 900})


class HandedOut(Alternatives):
    """What a sign-in hands out: tokens, or what is to be seen of cookies."""

    SHAPES: ClassVar = {TokenPair: Tokens, CookieSession: CookieSessionOut}
    ASKED_FOR_BY: ClassVar = {CookieSessionOut: ["transport", "refreshCookie"]}


class SessionOut(Schema):
    """A sign-in that is still good."""

    id = fields.String(required=True, metadata={"example": "ses_4kTbW0yZpQ2mN8vXc1LrDs"})
    device = fields.String(
        required=True, metadata={"example": "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0"}
    )
    ip_prefix = fields.String(required=True, metadata={"example": "192.0.2.0/24"})
    current = fields.Boolean(required=True, metadata={"example": True})
    created_at = Time(required=True)
    last_used_at = Time(required=True)
    expires_at = Time(required=True)

    @pre_dump
    def _shown(self, session: Session, **_kwargs: Any) -> dict[str, Any]:
        columns = ("ip_prefix", "created_at", "last_used_at", "expires_at")
        return {name: getattr(session, name) for name in columns} | {
            "id": session.public_id,
            "device": session.user_agent,
            "current": session.public_id == current_person().session,
        }


class SessionList(Schema):
    """The caller's sessions, the latest first."""

    items = Items(SessionOut)
    page = fields.Nested(PageSchema, required=True)
    _links = fields.Nested(PageHrefs, required=True)


class SessionListQuery(PageQuery):
    """Which page, and what of it."""

    chosen = chosen_from(SessionOut)
