"""/users: one's own account, and those of others for managers and admins."""

from typing import Any

from flask import url_for

from app.accounts import administration, credentials, proving, users
from app.accounts.administration import Filters, LastAdmin
from app.accounts.comparing import WrongPassword
from app.accounts.models import User
from app.accounts.principals import SignedIn
from app.accounts.reauthentication import ReauthenticationRequired
from app.accounts.users import RegistrationClosed
from app.api import pagination
from app.api.access import current_person, current_principal, scope, signed_in
from app.api.blueprint import Blueprint, raises
from app.api.conditional import carry, conditional, precondition
from app.api.credentials import device
from app.api.specification import path_id
from app.api.v1.schemas.auth import Accepted
from app.api.v1.schemas.users import (
    AccountPatch,
    Closing,
    EmailChange,
    PasswordChange,
    UserList,
    UserListQuery,
    UserOut,
    UserPatch,
)
from app.clicks import handover
from app.errors import Conflict, Forbidden, NotFound
from app.mail.outbox import MailOff

blueprint = Blueprint("v1_users", __name__, url_prefix="/users", description="Accounts.")

USER_ID = path_id("user_id", "The account's id.", "usr_4kTbW0yZpQ2mN8vXc1LrDs")


@blueprint.get("")
@scope("users:read", role="manager")
@blueprint.arguments(UserListQuery, location="query")
@blueprint.response(200, UserList, headers=pagination.PAGES)
def list_users(query: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """List the accounts.

    For managers. Closed ones are gone.
    """
    if "q" in query:
        pagination.spend_search()
    filters = Filters(query.get("q"), query.get("role"), query.get("status"))
    return pagination.answer(administration.accounts(filters, query["sort"]), query)


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
@raises(ReauthenticationRequired, LastAdmin)
@blueprint.response(204)
def delete_me() -> None:
    """Close one's own account.

    For who has just shown who he is: signed in, or asked `POST /auth/reauthenticate`, within five minutes. Ends all
    sessions, erases the personal data and the links. The codes stay taken: nobody can give an old short URL a new
    target. The last admin stays: 409.
    """
    handover.close_own_account(current_person(), precondition())


@blueprint.put("/me/password")
@signed_in
@raises(WrongPassword, ReauthenticationRequired, Conflict)
@blueprint.arguments(PasswordChange)
@blueprint.response(204)
def change_password(fields: dict[str, Any]) -> None:
    """Change one's password.

    Ends the other sessions.
    """
    credentials.change_password(
        current_person(), fields["current_password"], fields["new_password"], device()
    )


@blueprint.put("/me/email")
@signed_in
@raises(WrongPassword, ReauthenticationRequired, RegistrationClosed, MailOff)
@blueprint.arguments(EmailChange)
@blueprint.response(202, Accepted)
def change_email(fields: dict[str, Any]) -> dict[str, Any]:
    """Ask for another e-mail address.

    A token is sent to it, which `POST /auth/email/confirm` takes; until then nothing changes. The answer is the same
    for an address that another account has. The old address is told.
    """
    proving.request_change(current_person(), fields["email"], fields["password"], device())
    return {}


@blueprint.get("/<user_id>", parameters=USER_ID)
@scope("users:read")
@conditional
@blueprint.response(200, UserOut)
def get_user(user_id: str) -> User:
    """Read an account.

    One's own; for managers anybody's, every other is a 404.
    """
    principal = current_principal()
    if user_id == principal.user:
        return validated(users.get(principal.user_id))
    if not principal.moderates:
        raise NotFound()
    return validated(users.get(administration.find(user_id)))


@blueprint.patch("/<user_id>", parameters=USER_ID)
@scope("users:write", role="admin")
@conditional
@raises(LastAdmin)
@blueprint.arguments(AccountPatch)
@blueprint.response(200, UserOut)
def patch_user(changes: dict[str, Any], user_id: str) -> User:
    """Change the role of an account, or disable it.

    For admins. Counts at once: who is disabled is signed out everywhere and cannot sign in; the links stay as they
    are. A service has an admin: to the last one nothing is done (409, `reason` is `last_admin`).
    """
    account = administration.find(_for_its_person(user_id))
    return validated(administration.change(account, changes, precondition(), by=current_principal()))


@blueprint.delete("/<user_id>", parameters=USER_ID)
@scope("users:write", role="admin")
@conditional
@raises(LastAdmin)
@blueprint.arguments(Closing, location="query")
@blueprint.response(204)
def delete_user(query: dict[str, Any], user_id: str) -> None:
    """Close an account.

    For admins. Ends its sessions and erases the personal data. Its links end too, unless `links_to` says whose they
    are from now on; then their statistics count for that account.
    """
    account = administration.find(_for_its_person(user_id))
    handover.close_account(account, precondition(), links_to=query.get("links_to"), by=current_principal())


def _for_its_person(user_id: str) -> str:
    """The account that is to be changed or closed. Raises Forbidden where it is the owner's of the API key that asks:
    one's own account is a person's affair (ADR 13)."""
    principal = current_principal()
    if user_id == principal.user and not isinstance(principal, SignedIn):
        raise Forbidden("An API key does nothing to its owner's account.")
    return user_id


def validated(user: User) -> User:
    """The account; its answer gets the validators of this state."""
    carry(user.version, user.updated_at, url_for("v1_users.get_user", user_id=user.public_id))
    return user
