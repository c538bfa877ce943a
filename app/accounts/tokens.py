"""Access and refresh tokens: JWTs; algorithm, issuer, audience and type pinned.

`kid` names the key of our ring that signed (`app.accounts.signing_keys`), and the key says by which algorithm.
Nothing else of a header counts: not its `alg`, and no key that it brings or leads to (RFC 8725 §3.1, §3.10).

Flask-JWT-Extended makes them; PyJWT examines them, because Flask-JWT-Extended takes a token without `type` for
an access token and answers a bad one 422. No claim tells role, name or e-mail: those are read fresh.
"""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import uuid4

import jwt
from flask import current_app
from flask_jwt_extended import create_access_token, create_refresh_token

from app.accounts import signing_keys
from app.accounts.signing_keys import Key
from app.errors import AuthRequired, InvalidToken
from app.extensions import jwt as manager

_REQUIRED = ["iss", "aud", "sub", "sid", "jti", "type", "iat", "nbf", "exp"]
_LEEWAY = 5  # seconds that the clock of the machine that made a token may be ahead of this one's
_LONGEST_HEADER = 1024  # characters
_signer: ContextVar[Key] = ContextVar("signer")
"""Flask-JWT-Extended asks for the key apart from the header that names it."""


@dataclass(frozen=True)
class Claims:
    """What a verified token says: whose it is, of which session, and its own id."""

    user: str
    session: str
    jti: str
    type: str


@dataclass(frozen=True)
class TokenPair:
    """What a sign-in or a refresh hands out; `expires_in` in seconds. `session` (its public id) stays here: whoever
    needs it cannot ask the tokens, since the key that signed them may not be committed yet."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"
    session: str = field(kw_only=True)


def issue(user: str, session: str) -> tuple[TokenPair, str]:
    """Return a new pair for the session (public ids) and the refresh token's jti."""
    extra = {"sid": session}
    _signer.set(signing_keys.signer())
    jti = str(uuid4())
    pair = TokenPair(
        access_token=create_access_token(user, additional_claims=extra),
        refresh_token=create_refresh_token(user, additional_claims={**extra, "jti": jti}),
        expires_in=int(current_app.config["JWT_ACCESS_TOKEN_EXPIRES"].total_seconds()),
        session=session,
    )
    return pair, jti


def examine(token: str, *types: str) -> Claims:
    """Verify a token of one of `types` ("access", "refresh").

    Raises AuthRequired with reason "expired" for a good one that is too old, InvalidToken for all else.
    """
    config = current_app.config
    key = _key_of(token)
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.public,
            algorithms=[key.algorithm],
            issuer=config["JWT_ENCODE_ISSUER"],
            audience=config["JWT_ENCODE_AUDIENCE"],
            # PyJWT has one leeway for all times, and a token must not live longer for it: `_has_begun`.
            options={"require": _REQUIRED, "strict_aud": True, "verify_iat": False, "verify_nbf": False},
        )
    except jwt.ExpiredSignatureError:
        raise AuthRequired("The token has expired.", reason="expired") from None
    except (jwt.InvalidTokenError, ValueError):
        raise InvalidToken() from None
    texts = [claims[name] for name in ("sub", "sid", "jti", "type")]
    if not all(isinstance(text, str) and text.isascii() and text.isprintable() for text in texts):
        raise InvalidToken()
    if claims["type"] not in types or not _has_begun(claims):
        raise InvalidToken()
    return Claims(*texts)


def _has_begun(claims: dict[str, Any]) -> bool:
    latest = time.time() + _LEEWAY  # the clock that PyJWT holds `exp` against
    return all(isinstance(claims[name], int) and claims[name] <= latest for name in ("iat", "nbf"))


def _key_of(token: str) -> Key:
    """The key that the token says it was signed by. Raises InvalidToken where there is none, or no more."""
    if "=" in token:  # PyJWT takes padding, RFC 7515 §2 does not
        raise InvalidToken()
    kid = _kid(token.partition(".")[0][: _LONGEST_HEADER + 1])
    if kid is None:
        raise InvalidToken()
    key = signing_keys.verifier(kid or signing_keys.secrets_kid())
    if key is None:
        raise InvalidToken()
    return key


@lru_cache(maxsize=64)
def _kid(header: str) -> str | None:
    """The name in an encoded header, empty where it names no key; None for what is no header.

    All tokens of a key have the same one, so it is read once.
    """
    if len(header) > _LONGEST_HEADER:
        return None
    try:
        fields = jwt.get_unverified_header(f"{header}..")
    except (jwt.InvalidTokenError, ValueError):
        return None
    return (fields["kid"] or None) if "kid" in fields else ""


@manager.encode_key_loader
def _private_key(_identity: Any) -> Any:
    return _signer.get().private


@manager.additional_headers_loader
def _header(_identity: Any) -> dict[str, str]:
    return {"kid": _signer.get().kid}
