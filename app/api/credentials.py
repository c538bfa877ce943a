"""What a request brings to say who it is: an access token as Bearer or in a cookie, or an API key
as Bearer, as the user name of Basic (RFC 7617), or in `X-API-Key`. Never in its URL, which ends up in logs."""

from base64 import b64decode
from dataclasses import dataclass

from flask import request

from app.accounts import presented_keys, tokens
from app.accounts.devices import Device
from app.accounts.principals import Principal, authenticate
from app.api import transport
from app.errors import AuthRequired, FieldError, InvalidToken, ValidationFailed
from app.web.proxy import client_address
from app.web.safe_methods import SAFE_METHODS


@dataclass(frozen=True)
class Brought:
    """A token, not examined yet, and how it came (`transport.TRANSPORTS`)."""

    token: str
    transport: str


def verified() -> Principal:
    """Whom the request speaks for.

    Raises AuthRequired, InvalidToken, CSRFFailed, ForeignAddress, or ValidationFailed for two credentials.
    """
    by_cookie = _by_cookie("access")
    key = None if by_cookie else _api_key()
    if key is not None:
        return presented_keys.authenticate(key, client_address())
    return authenticate(by_cookie or bearer_token())


def token(*types: str) -> Brought:
    """The token of one of `types`, by cookie or as Bearer; of several cookies that of the first.

    Raises AuthRequired, InvalidToken, CSRFFailed or ValidationFailed.
    """
    by_cookie = _by_cookie(*types)
    if by_cookie is None:
        return Brought(bearer_token(), transport.TOKEN)
    return Brought(by_cookie, transport.COOKIE)


def bearer_token() -> str:
    """The token of the Authorization header. Schemes are case-insensitive (RFC 9110 §11.1).

    Raises AuthRequired where there is none, InvalidToken for another scheme, ValidationFailed where another
    credential comes beside it.
    """
    scheme, token = _authorization()
    if not scheme:
        raise AuthRequired()
    if scheme != "bearer" or not token:
        raise InvalidToken("Send the token as: Authorization: Bearer <token>.")
    _refuse_another_than(token)
    return token


def device() -> Device:
    """The device that the request comes from."""
    return Device(request.headers.get("User-Agent", ""), client_address())


def _by_cookie(*types: str) -> str | None:
    """The token in a cookie; one that asks for a change has proven that it is its holder's wish."""
    found = transport.brought(*types)
    if found is not None and request.method not in SAFE_METHODS:
        transport.prove(tokens.examine(found, *types).session)
    return found


def _api_key() -> str | None:
    """What the request brings as an API key; None where Authorization holds something else, or nothing does."""
    scheme, told = _authorization()
    if not scheme:
        return request.headers.get(transport.KEY_HEADER, "").strip() or None
    if scheme == "basic":
        told = _user_name(told)
    elif scheme != "bearer" or not told.startswith(presented_keys.PREFIX):
        return None
    _refuse_another_than(told)
    return told


def _authorization() -> tuple[str, str]:
    """The scheme, in lower case, and what it comes with; both empty where there is none."""
    scheme, _, told = request.headers.get("Authorization", "").strip().partition(" ")
    return scheme.lower(), told.strip()


def _user_name(told: str) -> str:
    """The user name of Basic; the password is ignored. Raises InvalidToken for what RFC 7617 §2 does not allow."""
    try:
        name, colon, _ = b64decode(told, validate=True).partition(b":")
        if not colon:
            raise ValueError("no colon")
        return name.decode("ascii")
    except ValueError:
        raise InvalidToken("Send the API key as the user name of Basic, with any password.") from None


def _refuse_another_than(credential: str) -> None:
    if request.headers.get(transport.KEY_HEADER, "").strip() not in ("", credential):
        message = "Contradicts Authorization: send one credential."
        raise ValidationFailed.of([FieldError(transport.KEY_HEADER, message)])
