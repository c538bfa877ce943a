"""What a request brings to say who it is."""

from dataclasses import dataclass

from flask import request

from app.accounts import tokens
from app.accounts.devices import Device
from app.accounts.principals import Principal, authenticate
from app.api import transport
from app.errors import AuthRequired, InvalidToken
from app.web.proxy import client_address
from app.web.safe_methods import SAFE_METHODS


@dataclass(frozen=True)
class Brought:
    """A token, not examined yet, and how it came (`transport.TRANSPORTS`)."""

    token: str
    transport: str


def verified() -> Principal:
    """Whom the request speaks for. Raises AuthRequired, InvalidToken, CSRFFailed, or ValidationFailed for two
    credentials."""
    return authenticate(token("access").token)


def token(*types: str) -> Brought:
    """The token of one of `types`, by cookie or as Bearer; of several cookies that of the first.

    A cookie that asks for a change has proven that it is its holder's wish. Raises AuthRequired, InvalidToken,
    CSRFFailed or ValidationFailed.
    """
    by_cookie = transport.brought(*types)
    if by_cookie is None:
        return Brought(bearer_token(), transport.TOKEN)
    if request.method not in SAFE_METHODS:
        transport.prove(tokens.examine(by_cookie, *types).session)
    return Brought(by_cookie, transport.COOKIE)


def bearer_token() -> str:
    """The token of the Authorization header. Schemes are case-insensitive (RFC 9110 §11.1).

    Raises AuthRequired where there is none, InvalidToken for another scheme.
    """
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    if not scheme:
        raise AuthRequired()
    if scheme.lower() != "bearer" or not token.strip():
        raise InvalidToken("Send the token as: Authorization: Bearer <token>.")
    return token.strip()


def device() -> Device:
    """The device that the request comes from."""
    return Device(request.headers.get("User-Agent", ""), client_address())
