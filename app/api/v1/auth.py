"""/auth: register, sign in, refresh, sign out, sessions."""

from typing import Any

from flask import Response, current_app, jsonify, make_response, url_for

from app.accounts import petitions, proving, sessions, signing_in, users
from app.accounts.comparing import WrongPassword
from app.accounts.models import User
from app.accounts.one_time import InvalidOneTimeToken
from app.accounts.one_time_codes import OtpRequired
from app.accounts.sessions import TokenReused
from app.accounts.signing_in import EmailUnverified, InvalidCredentials
from app.accounts.tokens import TokenPair
from app.accounts.users import EmailTaken, RegistrationClosed
from app.api import credentials, pagination, transport
from app.api.access import current_person, public, signed_in, token_bearer
from app.api.blueprint import Blueprint, raises
from app.api.credentials import device
from app.api.csrf import CSRFFailed
from app.api.leading import leads, with_body, with_parameters
from app.api.pagination import PAGES
from app.api.specification import path_id
from app.api.transport import CookieSession
from app.api.v1.schemas.auth import (
    Accepted,
    Address,
    HandedOut,
    Login,
    PasswordReset,
    Proof,
    Register,
    SessionList,
    SessionListQuery,
)
from app.api.v1.schemas.users import UserOut
from app.mail.outbox import MailOff
from app.web import limits

blueprint = Blueprint("v1_auth", __name__, url_prefix="/auth", description="Sign in and out.")

SESSION_ID = path_id("session_id", "The session's id.", "ses_4kTbW0yZpQ2mN8vXc1LrDs")


@blueprint.post("/register")
@public
@raises(EmailTaken, RegistrationClosed)
# bandit: no password, but where one is to be found.
@leads(201, login=with_body(email="$request.body#/email", password="$request.body#/password"))  # nosec B106
@blueprint.arguments(Register)
@blueprint.response(202, Accepted)
@blueprint.response(201, UserOut, headers={"Location": {"schema": {"type": "string"}}})
def register(fields: dict[str, Any]) -> tuple[User, dict[str, str]] | Response:
    """Open an account.

    A password has 12 to 256 characters, is none that is soon guessed, and is not made of the address or of this
    service's name; `error.reason` tells which: `length`, `common` or `context`. Where addresses are verified the
    answer is 202, the same whether the address has an account: what comes of it is sent to the address.
    """
    # Each hashes a password, and adds a row.
    limits.spend(limits.address_bucket("register", "LIMIT_REGISTER"))
    if current_app.config["EMAIL_VERIFICATION"]:
        petitions.register(fields["email"], fields["password"], fields["name"], device())
        return make_response(jsonify(Accepted().dump({})), 202)
    user = users.register(fields["email"], fields["password"], fields["name"])
    return user, {"Location": url_for("v1_users.get_user", user_id=user.public_id)}


@blueprint.post("/login")
@public
@raises(InvalidCredentials, OtpRequired, EmailUnverified, CSRFFailed)
@blueprint.arguments(Login)
@blueprint.response(200, HandedOut)
def login(fields: dict[str, Any]) -> TokenPair | CookieSession:
    """Sign in.

    Begins a session. Wrong guesses are counted for the address and the account; past the limit even the right
    password gets 429. Where one-time codes are on, the right password alone gets `OTP_REQUIRED`. With
    `transport: "cookie"` the tokens come as cookies, for pages of this site.
    """
    pair = signing_in.by_password(fields["email"], fields["password"], device(), fields["otp"])
    return transport.handed_out(pair, fields["transport"])


@blueprint.post("/verify")
@public
@raises(InvalidOneTimeToken, WrongPassword)
@blueprint.arguments(Proof)
@blueprint.response(204)
def verify_email(fields: dict[str, Any]) -> None:
    """Verify an e-mail address.

    With the token that was sent to it, good once and for 24 hours, and the account's password.
    """
    proving.verify(fields["token"], fields["password"], device())


@blueprint.post("/verify/resend")
@public
@raises(MailOff)
@blueprint.arguments(Address)
@blueprint.response(202, Accepted)
def resend_verification(fields: dict[str, Any]) -> dict[str, Any]:
    """Ask for another token that verifies the address.

    The answer is the same for every address. Mails are counted for each address and each network address.
    """
    petitions.verify(fields["email"], device())
    return {}


@blueprint.post("/password/forgot")
@public
@raises(MailOff)
@blueprint.arguments(Address)
@blueprint.response(202, Accepted)
def forgot_password(fields: dict[str, Any]) -> dict[str, Any]:
    """Ask for a token that sets a new password.

    The answer is the same for every address. Mails are counted for each address and each network address.
    """
    petitions.reset(fields["email"], device())
    return {}


@blueprint.post("/password/reset")
@public
@raises(InvalidOneTimeToken)
@blueprint.arguments(PasswordReset)
@blueprint.response(204)
def reset_password(fields: dict[str, Any]) -> None:
    """Set a forgotten password.

    With the token that was sent, good once and for 30 minutes. Ends all sessions; signs nobody in.
    """
    proving.reset_password(fields["token"], fields["password"], device())


@blueprint.post("/email/confirm")
@public
@raises(InvalidOneTimeToken, WrongPassword, EmailTaken, RegistrationClosed)
@blueprint.arguments(Proof)
@blueprint.response(204)
def confirm_email(fields: dict[str, Any]) -> None:
    """Change an e-mail address.

    To the one that the token was sent to; good once and for 24 hours, with the account's password. The old address
    is told.
    """
    proving.confirm_change(fields["token"], fields["password"], device())


@blueprint.post("/refresh")
@token_bearer("refresh")
@raises(TokenReused)
@blueprint.response(200, HandedOut)
def refresh() -> TokenPair | CookieSession:
    """Exchange a refresh token.

    Send the refresh token as Bearer, or its cookie. It is good once: the answer holds the next pair, or sets its
    cookies. A token that comes a second time ends its whole session, since one of its two holders is a thief.
    """
    brought = credentials.token("refresh")
    return transport.renewed(sessions.refresh(brought.token, device()), brought.transport)


@blueprint.post("/logout")
@token_bearer("access", "refresh")
@blueprint.response(204)
def logout() -> None:
    """Sign out.

    Ends the session of the access or refresh token at once, its access token included. Cookies are deleted.
    """
    brought = credentials.token("refresh", "access")
    sessions.sign_out(brought.token)
    transport.taken_back(brought.transport)


@blueprint.get("/sessions")
@signed_in
@leads(200, end_session=with_parameters(session_id="$response.body#/items/0/id"))
@blueprint.arguments(SessionListQuery, location="query")
@blueprint.response(200, SessionList, headers=PAGES)
def list_sessions(query: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """List the caller's sessions.

    The latest first, with device, network and times; `current` marks the one that asks.
    """
    return pagination.answer(sessions.live(current_person().user_id), query)


@blueprint.delete("/sessions")
@signed_in
@blueprint.response(204)
def end_other_sessions() -> None:
    """End all sessions but this one.

    Their access tokens get 401 on the next request, in every process.
    """
    sessions.end_others(current_person())


@blueprint.delete("/sessions/<session_id>", parameters=SESSION_ID)
@signed_in
@blueprint.response(204)
def end_session(session_id: str) -> None:
    """End one session.

    Its access token gets 401 on the next request, in every process. It may be the one that asks.
    """
    sessions.end(current_person().user_id, session_id)
