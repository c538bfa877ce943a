"""Who may call what: every route carries exactly one mark, and a route without one cannot start.

The mark is also what the specification says of the route. Order of a call: the credential is verified; a good
one spends from its principal's bucket, none or a bad one from its address's (`app.web.limits`).
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, Response, g, request
from sqlalchemy.exc import SQLAlchemyError

from app.accounts.principals import Principal, authenticate
from app.errors import AuthRequired, Forbidden, InvalidToken, RateLimited
from app.web import errors, limits

View = TypeVar("View", bound=Callable[..., Any])

_RANKS = ("user", "manager", "admin")


@dataclass(frozen=True)
class Access:
    """`kind`: public, token (examined by the view), session (a signed-in user of `role` or above). `tokens`: the
    types of token that open the route, none for a public one."""

    kind: str
    role: str = "user"
    tokens: tuple[str, ...] = ()


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
    """Whoever brings a live access token."""
    return _mark(view, Access("session", tokens=("access",)))


def role(least: str) -> Callable[[View], View]:
    """Whoever is signed in and has at least this role."""
    return lambda view: _mark(view, Access("session", least, ("access",)))


def access_of(view: Callable[..., Any]) -> Access:
    """The mark of a view. Raises TypeError where there is none."""
    mark = getattr(view, "_access", None)
    if not isinstance(mark, Access):
        raise TypeError(f"{view.__module__}.{view.__qualname__} carries no access mark")
    return mark


def enforce(access: Access) -> None:
    """Let the request pass or refuse it. Raises AuthRequired, InvalidToken, Forbidden or RateLimited."""
    if access.kind != "session":
        limits.spend(limits.address_bucket())
        return
    principal = _verified()
    if _RANKS.index(principal.role) < _RANKS.index(access.role):
        raise Forbidden()


def current_principal() -> Principal:
    """Who is calling; only inside a view marked `signed_in` or `role`."""
    principal: Principal = g.principal
    return principal


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


def _verified() -> Principal:
    """The caller, who has spent. Raises AuthRequired, InvalidToken or RateLimited."""
    try:
        principal = authenticate(bearer_token())
    except (AuthRequired, InvalidToken):
        limits.spend(limits.address_bucket())
        raise
    g.principal = principal
    limits.spend(limits.Bucket(principal.role, f"LIMIT_{principal.role.upper()}", principal.user))
    return principal


def _charge(response: Response) -> Response:
    """Have an error that no view had a part in (404, 405, 413, ...) spend as its view would have: one may not knock
    at random for nothing. After a fault of ours nobody is looked up."""
    if response.status_code < 400 or limits.has_spent() or not request.path.startswith("/api/"):
        return response
    try:
        with suppress(AuthRequired, InvalidToken):
            limits.spend(limits.address_bucket()) if response.status_code >= 500 else _verified()
    except RateLimited as refusal:
        return errors.render(refusal)
    except SQLAlchemyError:  # who it is cannot be told now, and is no reason for another answer
        limits.spend(limits.address_bucket())
    return response


def _mark(view: View, access: Access) -> View:
    view._access = access  # type: ignore[attr-defined]  # a mark; Callable has no attributes
    return view
