"""Access and refresh tokens: JWTs signed HS256, issuer, audience and type pinned.

Flask-JWT-Extended makes them; PyJWT examines them, because Flask-JWT-Extended takes a token without `type` for
an access token and answers a bad one 422. No claim tells role, name or e-mail: those are read fresh.
"""

from dataclasses import dataclass
from typing import Any

import jwt
from flask import current_app
from flask_jwt_extended import create_access_token, create_refresh_token

from app.errors import AuthRequired, InvalidToken

_REQUIRED = ["iss", "aud", "sub", "sid", "jti", "type", "iat", "nbf", "exp"]


@dataclass(frozen=True)
class Claims:
    """What a verified token says: whose it is, of which session, and its own id."""

    user: str
    session: str
    jti: str
    type: str


@dataclass(frozen=True)
class TokenPair:
    """What a sign-in or a refresh hands out; `expires_in` in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"


def issue(user: str, session: str) -> tuple[TokenPair, str]:
    """Return a new pair for the session (public ids) and the refresh token's jti."""
    extra = {"sid": session}
    refresh = create_refresh_token(user, additional_claims=extra)
    pair = TokenPair(
        access_token=create_access_token(user, additional_claims=extra),
        refresh_token=refresh,
        expires_in=int(current_app.config["JWT_ACCESS_TOKEN_EXPIRES"].total_seconds()),
    )
    return pair, str(jwt.decode(refresh, options={"verify_signature": False})["jti"])


def examine(token: str, *types: str) -> Claims:
    """Verify a token of one of `types` ("access", "refresh").

    Raises AuthRequired with reason "expired" for a good one that is too old, InvalidToken for all else.
    """
    config = current_app.config
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            config["JWT_SECRET_KEY"],
            algorithms=[config["JWT_ALGORITHM"]],
            issuer=config["JWT_ENCODE_ISSUER"],
            audience=config["JWT_ENCODE_AUDIENCE"],
            options={"require": _REQUIRED, "strict_aud": True},
        )
    except jwt.ExpiredSignatureError:
        raise AuthRequired("The token has expired.", reason="expired") from None
    except (jwt.InvalidTokenError, ValueError):
        raise InvalidToken() from None
    texts = [claims[name] for name in ("sub", "sid", "jti", "type")]
    if not all(isinstance(text, str) and text.isascii() and text.isprintable() for text in texts):
        raise InvalidToken()
    if claims["type"] not in types:
        raise InvalidToken()
    return Claims(*texts)
