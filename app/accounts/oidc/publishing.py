"""What providers publish (OpenID Connect Discovery 1.0): endpoints and keys, remembered in this process for an hour.

A failure is remembered too, for some seconds: a provider that hangs must not hold a thread for each who knocks. What
was good before it stays in use for a day.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from flask import current_app

from app.accounts.oidc import asking
from app.errors import AppError, GatewayTimeout, NotFound
from settings.forms import is_provider_url
from settings.providers import OIDCProvider

KEPT = 3600.0  # seconds
FAILURE_KEPT = 30.0  # seconds
STALE_KEPT = 86_400.0  # seconds that a good document outlives failures
WAITED = 1.0  # seconds for somebody else's question
KEYS_ASKED_AGAIN = 30.0  # seconds between two looks for a key that is not there
# Asymmetric ones alone: with HS256 whoever knows the public key, or the client's secret, could sign (RFC 8725 §3.1).
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
_DISCOVERY = "/.well-known/openid-configuration"


@dataclass(frozen=True)
class Metadata:
    """What of a provider's discovery document counts here. `names_issuer`: whether it sends `iss` along with the code
    (RFC 9207 §3)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    algorithms: tuple[str, ...]
    token_auth: str
    names_issuer: bool


@dataclass(frozen=True)
class _Read:
    """What was made of the last good document and when, and when it was asked for last, with the failure of that."""

    asked_at: float
    failure: AppError | None
    good: Any = None
    good_at: float = 0.0

    def is_fresh(self, kept: float) -> bool:
        return time.monotonic() - self.asked_at <= (min(kept, FAILURE_KEPT) if self.failure else kept)

    def outcome(self) -> Any:
        if self.good is not None and time.monotonic() - self.good_at <= STALE_KEPT:
            return self.good
        failure = self.failure or GatewayTimeout()
        raise type(failure)(failure.message)


Made = Callable[[dict[str, Any]], Any]


class _Published:
    """The documents this process has read, by URL; as many as the settings lead to."""

    def __init__(self) -> None:
        self._read: dict[str, _Read] = {}
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)

    def document(self, issuer: str, url: str, kept: float, made: Made) -> Any:
        """What `made` makes of a document that was read within `kept` seconds; or of an older one, where it cannot be
        had now. Of those who want it at once one asks; the others wait for a moment.

        Raises BadGateway, also where `made` cannot use it, or GatewayTimeout.
        """
        read = self._read.get(url)
        if (read is None or not read.is_fresh(kept)) and self._locks[url].acquire(timeout=WAITED):
            try:
                read = self._read.get(url)
                if read is None or not read.is_fresh(kept):
                    read = self._read[url] = _asked(issuer, url, made, read)
            finally:
                self._locks[url].release()
        if read is None:
            raise GatewayTimeout("The provider did not answer in time.")
        return read.outcome()


def named(name: str) -> OIDCProvider:
    """The provider of this name. Raises NotFound."""
    found: OIDCProvider | None = current_app.config["OIDC_PROVIDERS"].get(name)
    if found is None:
        raise NotFound()
    return found


def metadata(provider: OIDCProvider) -> Metadata:
    """What the provider says of itself. Raises BadGateway where it speaks for another issuer, or where what it leads
    to is not safe; GatewayTimeout."""

    def made(found: dict[str, Any]) -> Metadata:
        if found.get("issuer") != provider.issuer:  # Discovery §4.3: exactly the same
            raise ValueError("another issuer")
        return Metadata(
            authorization_endpoint=_endpoint(provider, found["authorization_endpoint"]),
            token_endpoint=_endpoint(provider, found["token_endpoint"]),
            jwks_uri=_endpoint(provider, found["jwks_uri"]),
            userinfo_endpoint=_optional(provider, found.get("userinfo_endpoint")),
            algorithms=_chosen(found.get("id_token_signing_alg_values_supported", ["RS256"])),
            token_auth=_token_auth(found.get("token_endpoint_auth_methods_supported")),
            names_issuer=found.get("authorization_response_iss_parameter_supported") is True,
        )

    known: Metadata = _document(provider, provider.issuer.rstrip("/") + _DISCOVERY, made)
    return known


def keys(provider: OIDCProvider, kid: str | None) -> list[dict[str, Any]]:
    """The provider's public keys that a token with this `kid` may be signed with; a key that is not there yet is
    looked for once more. Raises BadGateway or GatewayTimeout."""
    url = metadata(provider).jwks_uri
    return _matching(provider, url, kid, KEPT) or _matching(provider, url, kid, KEYS_ASKED_AGAIN)


def _matching(provider: OIDCProvider, url: str, kid: str | None, kept: float) -> list[dict[str, Any]]:
    found = _document(provider, url, _keys_of, kept)
    return [key for key in found if kid is None or key.get("kid") == kid]


def _keys_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Raises ValueError or LookupError for what is no set of keys (RFC 7517 §5)."""
    if not isinstance(found["keys"], list):
        raise ValueError("not a list")
    return [key for key in found["keys"] if isinstance(key, dict)]


def _document(provider: OIDCProvider, url: str, made: Made, kept: float = KEPT) -> Any:
    published: _Published = current_app.extensions.setdefault("oidc", _Published())
    return published.document(provider.issuer, url, kept, made)


def _asked(issuer: str, url: str, made: Made, before: _Read | None) -> _Read:
    try:
        with asking.answered(issuer), asking.session() as session:
            response = session.get(url, headers={"Accept": "application/json"})
            response.raise_for_status()
            document = response.json()
            if not isinstance(document, dict):
                raise ValueError("not an object")
            good = made(document)
    except AppError as failure:
        now = time.monotonic()
        return _Read(now, failure, before.good, before.good_at) if before else _Read(now, failure)
    now = time.monotonic()
    return _Read(now, None, good, now)


def _endpoint(provider: OIDCProvider, url: object) -> str:
    """Raise ValueError for what is no https URL; http passes where the issuer itself is this machine's."""
    own = provider.issuer.startswith("http://")
    if not isinstance(url, str) or not is_provider_url(url, loopback=own):
        raise ValueError("an endpoint is not https")
    return url


def _optional(provider: OIDCProvider, url: object) -> str | None:
    return None if url is None else _endpoint(provider, url)


def _chosen(offered: object) -> tuple[str, ...]:
    """What both sides take. Raises ValueError where that is nothing."""
    found = tuple(name for name in ALGORITHMS if isinstance(offered, list) and name in offered)
    if not found:
        raise ValueError("no algorithm in common")
    return found


def _token_auth(offered: object) -> str:
    """How the client proves itself at the token endpoint. Raises ValueError where we know no way."""
    if offered is None:
        return "client_secret_basic"
    for method in ("client_secret_basic", "client_secret_post"):
        if isinstance(offered, list) and method in offered:
            return method
    raise ValueError("no way to prove the client in common")
