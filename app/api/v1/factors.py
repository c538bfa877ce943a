"""Second factors and passkeys: under /users/me what one has, under /auth what one signs in with."""

from typing import Any

from flask import url_for

from app.accounts import factors, passkeys, reauthentication
from app.accounts.comparing import WrongPassword
from app.accounts.factors import Enrolment, Status
from app.accounts.models import Passkey
from app.accounts.one_time_codes import OtpRequired, WrongCode
from app.accounts.reauthentication import ReauthenticationRequired
from app.accounts.second_factor import SecondFactorRequired
from app.accounts.signing_in import InvalidCredentials
from app.accounts.tokens import TokenPair
from app.api import pagination, transport
from app.api.access import current_person, public, signed_in
from app.api.blueprint import Blueprint, raises
from app.api.credentials import device
from app.api.csrf import CSRFFailed
from app.api.leading import leads, with_parameters
from app.api.pagination import PAGES
from app.api.specification import path_id
from app.api.transport import CookieSession
from app.api.v1.schemas import factors as schemas
from app.api.v1.schemas.auth import HandedOut
from app.errors import Conflict, NotFound

blueprint = Blueprint("v1_factors", __name__, url_prefix="", description="Second factors and passkeys.")

PASSKEY_ID = path_id("passkey_id", "The passkey's id.", "psk_4kTbW0yZpQ2mN8vXc1LrDs")


@blueprint.post("/auth/reauthenticate")
@signed_in
@raises(WrongPassword, WrongCode, OtpRequired, ReauthenticationRequired)
@blueprint.arguments(schemas.Reauthentication)
@blueprint.response(204)
def reauthenticate(fields: dict[str, Any]) -> None:
    """Show again that it is you.

    What opens an account can be changed for five minutes after signing in, or after this. Takes the password, and a
    code where one-time codes are on.
    """
    reauthentication.prove(current_person(), fields["password"], fields["otp"], device())


@blueprint.post("/auth/passkey/options")
@public
@blueprint.response(200, schemas.RequestOptions)
def get_passkey_options() -> dict[str, Any]:
    """Begin to sign in by passkey.

    For `PublicKeyCredential.parseRequestOptionsFromJSON` and `navigator.credentials.get`; good for five minutes,
    once.
    """
    return passkeys.options_to_sign_in()


@blueprint.post("/auth/passkey")
@public
@raises(InvalidCredentials, CSRFFailed)
@blueprint.arguments(schemas.PasskeySignIn)
@blueprint.response(200, HandedOut)
def sign_in_by_passkey(fields: dict[str, Any]) -> TokenPair | CookieSession:
    """Sign in by passkey.

    Begins a session. Nothing else is asked for: the authenticator has verified its user.
    """
    pair = passkeys.sign_in(fields["credential"], device())
    return transport.handed_out(pair, fields["transport"])


@blueprint.get("/users/me/totp")
@signed_in
@blueprint.response(200, schemas.TotpOut)
def get_totp() -> Status:
    """Ask whether one-time codes are on.

    And how many recovery codes are left.
    """
    return factors.status(current_person())


@blueprint.post("/users/me/totp")
@signed_in
@raises(ReauthenticationRequired, Conflict)
@blueprint.response(200, schemas.Enrolment)
def enrol_totp() -> Enrolment:
    """Begin to switch one-time codes on.

    For any authenticator app (RFC 6238: six digits, SHA-1, 30 seconds). Nothing is switched on before `confirm`;
    another call replaces the secret.
    """
    return factors.enrol(current_person())


@blueprint.post("/users/me/totp/confirm")
@signed_in
@raises(WrongCode)
@blueprint.arguments(schemas.Confirmation)
@blueprint.response(200, schemas.RecoveryCodes)
def confirm_totp(fields: dict[str, Any]) -> dict[str, Any]:
    """Switch one-time codes on.

    Takes the app's first code, and answers with ten recovery codes, which nobody can read again.
    """
    return {"recovery_codes": factors.confirm(current_person(), fields["code"], device())}


@blueprint.delete("/users/me/totp")
@signed_in
@raises(ReauthenticationRequired, SecondFactorRequired, NotFound)
@blueprint.response(204)
def remove_totp() -> None:
    """Switch one-time codes off.

    The recovery codes go with them.
    """
    factors.remove_totp(current_person())


@blueprint.post("/users/me/recovery-codes")
@signed_in
@raises(ReauthenticationRequired, Conflict)
@blueprint.response(200, schemas.RecoveryCodes)
def renew_recovery_codes() -> dict[str, Any]:
    """Replace the recovery codes.

    The old ones are dead.
    """
    return {"recovery_codes": factors.renew_codes(current_person())}


@blueprint.get("/users/me/passkeys")
@signed_in
@leads(200, remove_passkey=with_parameters(passkey_id="$response.body#/items/0/id"))
@blueprint.arguments(schemas.PasskeyListQuery, location="query")
@blueprint.response(200, schemas.PasskeyList, headers=PAGES)
def list_passkeys(query: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """List one's passkeys.

    The latest first.
    """
    return pagination.answer(passkeys.owned(current_person().user_id), query)


@blueprint.post("/users/me/passkey-options")
@signed_in
@raises(ReauthenticationRequired)
@blueprint.response(200, schemas.CreationOptions)
def get_new_passkey_options() -> dict[str, Any]:
    """Begin to add a passkey.

    For `PublicKeyCredential.parseCreationOptionsFromJSON` and `navigator.credentials.create`; good for five minutes,
    once, in this session.
    """
    return passkeys.options_to_add(current_person())


@blueprint.post("/users/me/passkeys")
@signed_in
@raises(Conflict)
@blueprint.arguments(schemas.PasskeyIn)
@blueprint.response(201, schemas.PasskeyOut, headers={"Location": {"schema": {"type": "string"}}})
def add_passkey(fields: dict[str, Any]) -> tuple[Passkey, dict[str, str]]:
    """Add a passkey.

    The list is where it can be seen from now on.
    """
    passkey = passkeys.add(current_person(), fields["name"], fields["credential"])
    return passkey, {"Location": url_for("v1_factors.list_passkeys")}


@blueprint.delete("/users/me/passkeys/<passkey_id>", parameters=PASSKEY_ID)
@signed_in
@raises(ReauthenticationRequired, SecondFactorRequired)
@blueprint.response(204)
def remove_passkey(passkey_id: str) -> None:
    """Remove a passkey.

    It signs in nowhere from now on; sessions that it began go on.
    """
    passkeys.remove(current_person(), passkey_id)
