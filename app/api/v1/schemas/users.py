"""Wire shapes of /users."""

from typing import Any

from flask import url_for
from marshmallow import Schema, fields, pre_dump, validate

from app.accounts.administration import ROLES, SORTS, STATUSES
from app.accounts.models import User
from app.api.access import current_principal
from app.api.fields import Text, Time
from app.api.pagination import Href, Items, PageHrefs, PageQuery, PageSchema, chosen_from
from app.api.schema import Editable


class UserHrefs(Schema):
    """What belongs to an account."""

    self = fields.Nested(Href, required=True)
    links = fields.Nested(Href, required=True)
    sessions = fields.Nested(
        Href, required=True, metadata={"description": "The caller's own, in any account."}
    )
    avatar = fields.Nested(Href, metadata={"description": "One's own, where there is one."})
    api_keys = fields.Nested(Href, required=True)


class UserOut(Schema):
    """An account."""

    id = fields.String(required=True, metadata={"example": "usr_4kTbW0yZpQ2mN8vXc1LrDs"})
    email = fields.String(required=True, metadata={"example": "ada@example.org"})
    email_verified_at = Time(required=True, allow_none=True)
    name = fields.String(required=True, allow_none=True, metadata={"example": "Ada"})
    role = fields.String(required=True, metadata={"enum": list(ROLES), "example": "user"})
    status = fields.String(required=True, metadata={"enum": list(STATUSES), "example": "active"})
    created_at = Time(required=True)
    updated_at = Time(required=True)
    _links = fields.Nested(UserHrefs, required=True)

    @pre_dump
    def _shown(self, user: User, **_kwargs: Any) -> dict[str, Any]:
        columns = ("email", "email_verified_at", "name", "role", "status", "created_at", "updated_at")
        hrefs = {
            "self": {"href": url_for("v1_users.get_user", user_id=user.public_id)},
            "links": {"href": url_for("v1_links.list_links", owner=user.public_id)},
            "sessions": {"href": url_for("v1_auth.list_sessions")},
            "api_keys": {"href": url_for("v1_api_keys.list_api_keys")},
        }
        if user.avatar and user.public_id == current_principal().user:
            hrefs["avatar"] = {"href": url_for("v1_avatars.get_avatar")}
        return {"id": user.public_id, "_links": hrefs} | {name: getattr(user, name) for name in columns}


class UserPatch(Editable):
    """Changes to a profile (RFC 7396); null clears."""

    READ_ONLY = frozenset(
        {"id", "email", "email_verified_at", "role", "status", "created_at", "updated_at", "_links"}
    )

    name = Text(100, allow_none=True, metadata={"example": "Ada"})


class UserItem(UserOut):
    """An account in a list; with `fields` those alone."""


class UserList(Schema):
    """A page of accounts."""

    items = Items(UserItem)
    page = fields.Nested(PageSchema, required=True)
    _links = fields.Nested(PageHrefs, required=True)


class UserListQuery(PageQuery):
    """Which accounts, in which order."""

    q = Text(100, least=1, metadata={"description": "A part of e-mail address or name, in any case."})
    role = fields.String(validate=validate.OneOf(ROLES), metadata={"description": "Accounts with this role."})
    status = fields.String(
        validate=validate.OneOf(STATUSES), metadata={"description": "Accounts in this status."}
    )
    sort = fields.String(
        validate=validate.OneOf(SORTS),
        load_default="-created_at",
        metadata={"description": "By what; `-`: from the last to the first."},
    )
    chosen = chosen_from(UserOut)


class AccountPatch(Editable):
    """What an admin changes in an account (RFC 7396)."""

    READ_ONLY = frozenset({"id", "email", "email_verified_at", "name", "created_at", "updated_at", "_links"})

    role = fields.String(validate=validate.OneOf(ROLES), metadata={"example": "manager"})
    status = fields.String(
        validate=validate.OneOf(STATUSES),
        metadata={"description": "Who is disabled is signed out, and cannot sign in.", "example": "active"},
    )


class Closing(Schema):
    """What becomes of the links of an account that is closed."""

    links_to = Text(
        40, least=1, metadata={"description": "The id of the account that gets them; without it they end."}
    )


class EmailChange(Schema):
    """The address that shall be, and the password that is."""

    email = Text(254, required=True, metadata={"format": "email", "example": "ada@example.com"})
    password = Text(
        1024, least=1, required=True, metadata={"format": "password", "example": "correct horse battery"}
    )


class PasswordChange(Schema):
    """The password that is, and the one that shall be."""

    current_password = Text(
        1024, least=1, required=True, metadata={"format": "password", "example": "correct horse battery"}
    )
    new_password = Text(
        1024, required=True, metadata={"format": "password", "example": "another good long secret"}
    )
