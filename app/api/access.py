"""Who may call what: every route carries exactly one mark, and a route without one cannot start.

What is a person's alone (sessions, passwords, keys) is marked `signed_in`; what programs do too names the scope that
an API key needs for it. A key has its owner's role only where its scopes include `admin`.

The mark is also what the specification says of the route. Order of a call: the credential is verified; a good
one spends from its principal's bucket, none or a bad one from its address's (`app.web.limits`).
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, Response, g, request
from sqlalchemy.exc import SQLAlchemyError

from app.accounts.presented_keys import ForeignAddress
from app.accounts.principals import ADMIN, SCOPES, Principal, SignedIn
from app.accounts.second_factor import SecondFactorRequired
from app.api import credentials
from app.api.csrf import CSRFFailed
from app.audit import circumstances
from app.errors import AppError, AuthRequired, Forbidden, InvalidToken, RateLimited, ValidationFailed
from app.web import errors, limits

View = TypeVar("View", bound=Callable[..., Any])

_RANKS = ("user", "manager", "admin")
_UNVERIFIED = (AuthRequired, InvalidToken, CSRFFailed, ValidationFailed, ForeignAddress)
"""Why a credential is not taken; who brings it stays a stranger, and spends from the address's bucket."""


class InsufficientScope(AppError):
    """403 with the challenge of RFC 6750 §3.1, which names the scope that is missing."""

    status, code, message = 403, "INSUFFICIENT_SCOPE", "The API key lacks the scope for this."

    def __init__(self, scope: str) -> None:
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        super().__init__(
            f"This takes an API key with the scope {scope}.", headers={"WWW-Authenticate": challenge}
        )


@dataclass(frozen=True)
class Access:
    """`kind`: public, token (examined by the view), session (a signed-in person) or scope (a person, or an API key
    with `scope`); of `role` or above. `tokens`: the types of token that open the route, none for a public one."""

    kind: str
    role: str = "user"
    tokens: tuple[str, ...] = ()
    scope: str | None = None

    @property
    def is_verified(self) -> bool:
        """Whether the caller is known before the view begins."""
        return self.kind in ("session", "scope")


def init_app(app: Flask) -> None:
    app.after_request(_charge)


def public(view: View) -> View:
    """Anybody may call it."""
    return _mark(view, Access("public"))


def token_bearer(*types: str) -> Callable[[View], View]:
    """Whoever brings a token of one of `types` ("access", "refresh"); the view hands it to the noun that
    examines it."""
    return lambda view: _mark(view, Access("token", tokens=types))


def signed_in(view: View) -> View:
    """A person: whoever brings a live access token."""
    return _mark(view, Access("session", tokens=("access",)))


def scope(name: str, *, role: str = "user") -> Callable[[View], View]:
    """A person of at least this role, or an API key of one, with this scope. Raises ValueError for an unknown one."""
    if name not in SCOPES:
        raise ValueError(f"{name} is not one of {', '.join(SCOPES)}")
    return lambda view: _mark(view, Access("scope", role, ("access",), name))


def access_of(view: Callable[..., Any]) -> Access:
    """The mark of a view. Raises TypeError where there is none."""
    mark = getattr(view, "_access", None)
    if not isinstance(mark, Access):
        raise TypeError(f"{view.__module__}.{view.__qualname__} carries no access mark")
    return mark


def enforce(access: Access) -> None:
    """Let the request pass or refuse it.

    Raises AuthRequired, InvalidToken, CSRFFailed, ValidationFailed (two credentials), Forbidden, InsufficientScope or
    RateLimited.
    """
    if not access.is_verified:
        limits.spend(limits.address_bucket())
        return
    principal = _verified()
    if access.kind == "session" and not isinstance(principal, SignedIn):
        raise Forbidden("This is for people: sign in, an API key does not do.")
    if access.scope and not principal.may(access.scope):
        raise InsufficientScope(access.scope)
    if not _reaches(principal.role, access.role):
        if principal.is_withheld:
            raise SecondFactorRequired()
        raise InsufficientScope(ADMIN) if _reaches(principal.tier, access.role) else Forbidden()


def current_principal() -> Principal:
    """Who is calling; only inside a view marked `signed_in` or `scope`."""
    principal: Principal = g.principal
    return principal


def current_person() -> SignedIn:
    """Who is calling, in which session; only inside a view marked `signed_in`."""
    principal: SignedIn = g.principal
    return principal


def _verified() -> Principal:
    """The caller, who has spent. Raises RateLimited, or one of _UNVERIFIED."""
    try:
        principal = credentials.verified()
    except _UNVERIFIED:
        limits.spend(limits.address_bucket())
        raise
    g.principal = principal
    circumstances.name(principal.user, principal.credential)
    limits.spend(limits.Bucket(principal.tier, f"LIMIT_{principal.tier.upper()}", principal.user))
    return principal


def _reaches(role: str, least: str) -> bool:
    return _RANKS.index(role) >= _RANKS.index(least)


def _charge(response: Response) -> Response:
    """Have an error that no view had a part in (404, 405, 413, ...) spend as its view would have: one may not knock
    at random for nothing. After a fault of ours nobody is looked up."""
    if response.status_code < 400 or limits.has_spent() or not request.path.startswith("/api/"):
        return response
    try:
        with suppress(*_UNVERIFIED):
            limits.spend(limits.address_bucket()) if response.status_code >= 500 else _verified()
    except RateLimited as refusal:
        return errors.render(refusal)
    except SQLAlchemyError:  # who it is cannot be told now, and is no reason for another answer
        limits.spend(limits.address_bucket())
    return response


def _mark(view: View, access: Access) -> View:
    view._access = access  # type: ignore[attr-defined]  # a mark; Callable has no attributes
    return view
