"""/users: one's own account."""

from typing import Any

from flask import url_for

from app.accounts import credentials, users
from app.accounts.credentials import WrongPassword
from app.accounts.models import User
from app.api.access import current_person, current_principal, scope, signed_in
from app.api.blueprint import Blueprint, raises
from app.api.conditional import carry, conditional, precondition
from app.api.credentials import device
from app.api.specification import path_id
from app.api.v1.schemas.users import PasswordChange, UserOut, UserPatch
from app.errors import Conflict, NotFound
from app.links import closing

blueprint = Blueprint("v1_users", __name__, url_prefix="/users", description="Accounts.")

USER_ID = path_id("user_id", "The account's id.", "usr_4kTbW0yZpQ2mN8vXc1LrDs")


@blueprint.get("/me")
@scope("users:read")
@conditional
@blueprint.response(200, UserOut)
def get_me() -> User:
    """Read one's own account.

    Its links lead to what belongs to it.
    """
    return validated(users.get(current_principal().user_id))


@blueprint.patch("/me")
@scope("users:write")
@conditional
@blueprint.arguments(UserPatch)
@blueprint.response(200, UserOut)
def patch_me(changes: dict[str, Any]) -> User:
    """Change one's own profile.

    A JSON merge patch (RFC 7396): what is absent stays, null clears, read-only fields are ignored.
    """
    return validated(users.edit(current_principal().user_id, changes, precondition()))


@blueprint.delete("/me")
@signed_in
@conditional
@blueprint.response(204)
def delete_me() -> None:
    """Close one's own account.

    Ends all sessions, erases the personal data and the links. The codes stay taken: nobody can give an old
    short URL a new target.
    """
    closing.close_account(current_principal().user_id, precondition())


@blueprint.put("/me/password")
@signed_in
@raises(WrongPassword, Conflict)
@blueprint.arguments(PasswordChange)
@blueprint.response(204)
def change_password(fields: dict[str, Any]) -> None:
    """Change one's password.

    Ends the other sessions.
    """
    credentials.change_password(
        current_person(), fields["current_password"], fields["new_password"], device()
    )


@blueprint.get("/<user_id>", parameters=USER_ID)
@scope("users:read")
@conditional
@blueprint.response(200, UserOut)
def get_user(user_id: str) -> User:
    """Read an account.

    One's own; every other is a 404.
    """
    principal = current_principal()
    if user_id != principal.user:
        raise NotFound()
    return validated(users.get(principal.user_id))


def validated(user: User) -> User:
    """The account; its answer gets the validators of this state."""
    carry(user.version, user.updated_at, url_for("v1_users.get_user", user_id=user.public_id))
    return user
