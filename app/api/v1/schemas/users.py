"""Wire shapes of /users."""

from typing import Any

from flask import url_for
from marshmallow import Schema, fields, pre_dump

from app.accounts.models import User
from app.api.fields import Text, Time
from app.api.pagination import Href
from app.api.schema import Editable


class UserHrefs(Schema):
    """What belongs to an account."""

    self = fields.Nested(Href, required=True)
    links = fields.Nested(Href, required=True)
    sessions = fields.Nested(Href, required=True)
    avatar = fields.Nested(Href, metadata={"description": "Where there is one."})


class UserOut(Schema):
    """An account."""

    id = fields.String(required=True, metadata={"example": "usr_4kTbW0yZpQ2mN8vXc1LrDs"})
    email = fields.String(required=True, metadata={"example": "ada@example.org"})
    name = fields.String(required=True, allow_none=True, metadata={"example": "Ada"})
    role = fields.String(required=True, metadata={"enum": ["user", "manager", "admin"], "example": "user"})
    status = fields.String(required=True, metadata={"enum": ["active", "disabled"], "example": "active"})
    created_at = Time(required=True)
    updated_at = Time(required=True)
    _links = fields.Nested(UserHrefs, required=True)

    @pre_dump
    def _shown(self, user: User, **_kwargs: Any) -> dict[str, Any]:
        columns = ("email", "name", "role", "status", "created_at", "updated_at")
        hrefs = {
            "self": {"href": url_for("v1_users.get_user", user_id=user.public_id)},
            "links": {"href": url_for("v1_links.list_links")},
            "sessions": {"href": url_for("v1_auth.list_sessions")},
        }
        if user.avatar:
            hrefs["avatar"] = {"href": url_for("v1_avatars.get_avatar")}
        return {"id": user.public_id, "_links": hrefs} | {name: getattr(user, name) for name in columns}


class UserPatch(Editable):
    """Changes to a profile (RFC 7396); null clears."""

    READ_ONLY = frozenset({"id", "email", "role", "status", "created_at", "updated_at", "_links"})

    name = Text(100, allow_none=True, metadata={"example": "Ada"})


class PasswordChange(Schema):
    """The password that is, and the one that shall be."""

    current_password = Text(
        1024, required=True, metadata={"format": "password", "example": "correct horse battery"}
    )
    new_password = Text(
        1024, required=True, metadata={"format": "password", "example": "another good long secret"}
    )
