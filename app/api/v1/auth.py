"""/auth: register, sign in, refresh, sign out, sessions."""

from typing import Any

from flask import request, url_for

from app.accounts import sessions, users
from app.accounts.models import Session, User
from app.accounts.sessions import InvalidCredentials, TokenReused
from app.accounts.tokens import TokenPair
from app.accounts.users import EmailTaken, RegistrationClosed
from app.api.access import bearer_token, current_principal, public, signed_in, token_bearer
from app.api.blueprint import Blueprint, raises
from app.api.v1.schemas.auth import Login, Register, SessionList, Tokens
from app.api.v1.schemas.users import UserOut
from app.web.proxy import client_address

blueprint = Blueprint("v1_auth", __name__, url_prefix="/auth", description="Sign in and out.")


@blueprint.post("/register")
@public
@raises(EmailTaken, RegistrationClosed)
@blueprint.arguments(Register)
@blueprint.response(201, UserOut, headers={"Location": {"schema": {"type": "string"}}})
def register(fields: dict[str, Any]) -> tuple[User, dict[str, str]]:
    """Open an account.

    A password has 12 to 256 characters; nothing else is asked of it.
    """
    user = users.register(fields["email"], fields["password"], fields["name"])
    return user, {"Location": url_for("v1_users.get_user", user_id=user.public_id)}


@blueprint.post("/login")
@public
@raises(InvalidCredentials)
@blueprint.arguments(Login)
@blueprint.response(200, Tokens)
def login(fields: dict[str, Any]) -> TokenPair:
    """Sign in.

    Begins a session. Wrong guesses are counted for the address and the account; past the limit even the right
    password gets 429.
    """
    agent = request.headers.get("User-Agent", "")
    return sessions.sign_in(fields["email"], fields["password"], user_agent=agent, address=client_address())


@blueprint.post("/refresh")
@token_bearer
@raises(TokenReused)
@blueprint.response(200, Tokens)
def refresh() -> TokenPair:
    """Exchange a refresh token.

    Send the refresh token as Bearer. It is good once: the answer holds the next pair. A token that comes a
    second time ends its whole session, since one of its two holders is a thief.
    """
    agent = request.headers.get("User-Agent", "")
    return sessions.refresh(bearer_token(), user_agent=agent, address=client_address())


@blueprint.post("/logout")
@token_bearer
@blueprint.response(204)
def logout() -> None:
    """Sign out.

    Ends the session of the access or refresh token at once, its access token included.
    """
    sessions.sign_out(bearer_token())


@blueprint.get("/sessions")
@signed_in
@blueprint.response(200, SessionList)
def list_sessions() -> dict[str, list[Session]]:
    """List the caller's sessions."""
    return {"items": sessions.live(current_principal().user_id)}


@blueprint.delete("/sessions")
@signed_in
@blueprint.response(204)
def end_other_sessions() -> None:
    """End all sessions but this one."""
    sessions.end_others(current_principal())


@blueprint.delete("/sessions/<session_id>")
@signed_in
@blueprint.response(204)
def end_session(session_id: str) -> None:
    """End one session."""
    sessions.end(current_principal().user_id, session_id)
