"""What a request brings to say who it is."""

from flask import request

from app.accounts.devices import Device
from app.accounts.principals import Principal, authenticate
from app.errors import AuthRequired, InvalidToken
from app.web.proxy import client_address


def verified() -> Principal:
    """Whom the request speaks for. Raises AuthRequired or InvalidToken."""
    return authenticate(bearer_token())


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
