"""What proves who somebody is at a provider: the code is exchanged, the ID token examined (OIDC Core §3.1.3)."""

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from app import clock
from app.accounts.oidc import asking, publishing
from app.accounts.oidc.flows import Flow
from app.accounts.oidc.publishing import Metadata
from app.errors import AppError, BadGateway
from settings.providers import OIDCProvider

LEEWAY = 60  # seconds by which the provider's clock may differ
LONGEST_SUBJECT = 255  # OIDC Core §2
SHORTEST_RSA = 2048  # bits, RFC 7518 §3.3
SCOPES = "openid email profile"


class NotProven(AppError):
    """401: what came from the provider proves nothing: another's, forged, used, or too old."""

    status, code = 401, "INVALID_CREDENTIALS"
    message = "What the provider sent does not prove who you are; begin again."
    keeps = True

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


@dataclass(frozen=True)
class Answer:
    """What the provider sent with the browser; `issuer` as in RFC 9207, where it sends that."""

    code: str
    issuer: str | None


@dataclass(frozen=True)
class Person:
    """Somebody at an issuer. The subject alone says who; the rest is what the provider tells of him."""

    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    name: str | None


def authorization_url(provider: OIDCProvider, flow: Flow, redirect_uri: str) -> str:
    """Where to send the browser. Raises BadGateway or GatewayTimeout."""
    metadata = publishing.metadata(provider)
    with _client(provider, metadata, redirect_uri) as client:
        url, _ = client.create_authorization_url(
            metadata.authorization_endpoint,
            state=flow.state,
            nonce=flow.nonce,
            code_verifier=flow.verifier,
        )
    return str(url)


def person(provider: OIDCProvider, answer: Answer, flow: Flow, redirect_uri: str) -> Person:
    """Exchange the code for the proof of who it is. Over the network: never inside a write transaction.

    Raises NotProven, BadGateway or GatewayTimeout.
    """
    metadata = publishing.metadata(provider)
    _check_issuer(provider, metadata, answer.issuer)
    with _client(provider, metadata, redirect_uri) as client:
        token = _exchanged(client, provider, metadata, answer.code, flow)
        claims = examined(provider, metadata, token, flow.nonce)
        if "email" not in claims and metadata.userinfo_endpoint:
            claims |= _userinfo(client, provider, metadata.userinfo_endpoint, claims["sub"])
    return _person(provider, claims)


def examined(provider: OIDCProvider, metadata: Metadata, token: dict[str, Any], nonce: str) -> dict[str, Any]:
    """The claims of the ID token. Raises NotProven."""
    text = token.get("id_token")
    if not isinstance(text, str):
        raise NotProven()
    header = _header(text)
    algorithm = header.get("alg")
    if algorithm not in metadata.algorithms:
        raise NotProven()
    claims = _signed(provider, text, header, str(algorithm))
    own = {"iss": {"essential": True, "value": provider.issuer}, "aud": {"value": provider.client_id}}
    expected = {"nonce": nonce, "client_id": provider.client_id, "access_token": token.get("access_token")}
    try:
        CodeIDToken(claims, header, own, expected).validate(int(clock.now().timestamp()), LEEWAY)
    except (JoseError, ValueError, TypeError, AttributeError, OverflowError):
        raise NotProven() from None
    return claims


def _check_issuer(provider: OIDCProvider, metadata: Metadata, told: str | None) -> None:
    """Raise NotProven where the code is another issuer's (mix-up, RFC 9207 §2.4)."""
    if (told is not None or metadata.names_issuer) and told != provider.issuer:
        raise NotProven()


def _client(provider: OIDCProvider, metadata: Metadata, redirect_uri: str) -> Any:
    return asking.client(
        provider.client_id,
        provider.client_secret,
        token_endpoint_auth_method=metadata.token_auth,
        scope=SCOPES,
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
    )


def _exchanged(
    client: Any, provider: OIDCProvider, metadata: Metadata, code: str, flow: Flow
) -> dict[str, Any]:
    with asking.answered(provider.issuer):
        try:
            token = client.fetch_token(metadata.token_endpoint, code=code, code_verifier=flow.verifier)
        except OAuthError as refusal:
            if refusal.error == "invalid_grant":  # RFC 6749 §5.2: the code is used, expired, another client's
                raise NotProven() from None
            raise
    return dict(token)


def _userinfo(client: Any, provider: OIDCProvider, url: str, subject: str) -> dict[str, Any]:
    """What the provider tells of the person beside the ID token. Raises NotProven where it speaks of another
    (OIDC Core §5.3.2)."""
    with asking.answered(provider.issuer):
        response = client.get(url)
        response.raise_for_status()
        told = response.json()
        if not isinstance(told, dict):
            raise ValueError("not an object")
    if told.get("sub") != subject:
        raise NotProven()
    return {name: told[name] for name in ("email", "email_verified", "name") if name in told}


def _header(token: str) -> dict[str, Any]:
    """Raises NotProven."""
    try:
        head = token.partition(".")[0].encode("ascii")
        header = json.loads(urlsafe_b64decode(head + b"=" * (-len(head) % 4)))
    except (ValueError, RecursionError):
        raise NotProven() from None
    if not isinstance(header, dict):
        raise NotProven()
    return header


def _signed(provider: OIDCProvider, token: str, header: dict[str, Any], algorithm: str) -> dict[str, Any]:
    """The claims, signed by a key that the provider publishes; no key that a header brings along is looked at.

    Raises NotProven.
    """
    kid = header.get("kid")
    usable = [key for key in publishing.keys(provider, kid if isinstance(kid, str) else None) if _signs(key)]
    if len(usable) != 1:  # which of several it is would be a guess
        raise NotProven()
    try:
        if usable[0].get("alg", algorithm) != algorithm or _is_short(usable[0]):
            raise NotProven()
        key = import_key({name: value for name, value in usable[0].items() if name != "alg"})
        return dict(jwt.decode(token, key, algorithms=[algorithm]).claims)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise NotProven() from None


def _signs(key: dict[str, Any]) -> bool:
    return key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"


def _is_short(key: dict[str, Any]) -> bool:
    """Raises ValueError, TypeError or KeyError for a key that is none."""
    if key["kty"] != "RSA":
        return False
    modulus = urlsafe_b64decode(key["n"] + "=" * (-len(key["n"]) % 4))
    return int.from_bytes(modulus).bit_length() < SHORTEST_RSA


def _person(provider: OIDCProvider, claims: dict[str, Any]) -> Person:
    """Raises NotProven for a subject that is none, BadGateway for nonsense."""
    subject, email, name = claims["sub"], claims.get("email"), claims.get("name")
    if not (0 < len(subject) <= LONGEST_SUBJECT and subject.isascii() and subject.isprintable()):
        raise BadGateway("The provider gave no good answer.")
    verified = isinstance(email, str) and claims.get("email_verified") is True
    return Person(provider.issuer, subject, email if isinstance(email, str) else None, verified, _name(name))


def _name(told: object) -> str | None:
    """A name as an account may have it."""
    return told[:100] if isinstance(told, str) and told.isprintable() and told else None
