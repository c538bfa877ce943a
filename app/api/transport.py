"""How tokens travel: in bodies and as Bearer, or in cookies that a browser keeps and no script reads. ADR 12.

A cookie holds its token sealed (AES-SIV, RFC 5297), so each token goes the way it was handed out: what is read from
a browser's cookies is no bearer token, and no stolen bearer token makes a cookie.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from dataclasses import dataclass
from hmac import digest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from flask import Flask, Response, current_app, g, request

from app.accounts import sessions
from app.accounts.principals import SessionEnded
from app.accounts.sessions import TokenReused
from app.accounts.tokens import TokenPair
from app.api import csrf
from app.errors import AppError, AuthRequired, InvalidToken, ValidationFailed
from app.web import errors

KEY_HEADER = "X-API-Key"
TOKEN, COOKIE = TRANSPORTS = ("token", "cookie")
COOKIES = ("access", "refresh", "csrf")
PREFIX = "__Host-"  # this very host's alone, from HTTPS, for every path: no other host of the site can set it


class ForeignCookie(InvalidToken):
    """401 INVALID_TOKEN: SECRET_KEY does not open it, so it was not made here, or under another one."""

    message = "The cookie is not valid here."


@dataclass(frozen=True)
class CookieSession:
    """What a browser's script gets to see of a session; `expires_in` in seconds, of the access token."""

    csrf_token: str
    expires_in: int


def init_app(app: Flask) -> None:
    app.after_request(_send)
    for hopeless in (SessionEnded, TokenReused, ForeignCookie):
        app.register_error_handler(hopeless, _refuse_for_good)


def name_of(cookie: str) -> str:
    """The name of the `cookie` here. Browsers take `__Host-` over HTTPS only (RFC 6265bis §4.1.3.2)."""
    return f"{PREFIX if _is_secure() else ''}slugline_{cookie}"


def handed_out(pair: TokenPair, transport: str) -> TokenPair | CookieSession:
    """What the answer to a sign-in shows of the `pair`; by cookie the answer sets it.

    By cookie, raises CSRFFailed for a sign-in that a foreign page asks for: it would put its own account in the
    place of the reader's (login CSRF). The session in the cookies that came ends (ASVS 5.0 7.2.4).
    """
    if transport == COOKIE:
        csrf.refuse_foreign()
        _end_previous()
    return renewed(pair, transport)


def renewed(pair: TokenPair, transport: str) -> TokenPair | CookieSession:
    """What the answer shows of a `pair` that takes the place of one which came this way, or whose sign-in was proven
    to be this browser's by other means (a redirect with a state). The CSRF token stays: other tabs hold it too."""
    if transport == TOKEN:
        return pair
    known = request.cookies.get(name_of("csrf"), "")
    token = known if csrf.is_genuine(known, pair.session) else csrf.token_for(pair.session)
    access, refresh = _sealed(pair.access_token, "access"), _sealed(pair.refresh_token, "refresh")
    g.cookies = dict(zip(COOKIES, (access, refresh, token), strict=True))
    return CookieSession(token, pair.expires_in)


def taken_back(transport: str) -> None:
    """Have the answer delete the cookies of a session that came by them."""
    if transport == COOKIE:
        g.cookies = None


def brought(*types: str) -> str | None:
    """The token of the first of `types` ("access", "refresh") that a cookie holds, None where no cookie does.

    Raises ValidationFailed for a second credential beside it (RFC 6750 §2) or one cookie that comes twice,
    CSRFFailed for a foreign page, ForeignCookie for a cookie that was not made here.
    """
    found = {kind: request.cookies.getlist(name_of(kind)) for kind in (*types, "csrf")}
    kind = next((kind for kind in types if found[kind]), None)
    if kind is None:
        return None
    if any(request.headers.get(name, "").strip() for name in ("Authorization", KEY_HEADER)):
        raise ValidationFailed("Send a token, an API key or cookies, not two of them.")
    if any(len(values) > 1 for values in found.values()):
        raise ValidationFailed("A cookie came twice: somebody else set one of them.")
    csrf.refuse_foreign()
    g.by_cookie = True
    return _unsealed(found[kind][0], kind)


def prove(session: str) -> None:
    """Raise CSRFFailed unless the request brings the proof that a change by cookie needs."""
    csrf.check(session, request.cookies.get(name_of("csrf"), ""))


def _end_previous() -> None:
    with suppress(AuthRequired, InvalidToken):
        sessions.sign_out(_unsealed(request.cookies.get(name_of("refresh"), ""), "refresh"))


def _send(response: Response) -> Response:
    """Set the cookies that were handed out, and delete those that are good for nothing any more: not for every 401,
    since a clock that is behind or a key that is not known here yet would sign people out."""
    cookies = g.get("cookies", {})
    if response.status_code >= 400:
        cookies = None if g.get("by_cookie", False) and g.get("is_over", False) else {}
    lifetime = int(current_app.config["JWT_REFRESH_TOKEN_EXPIRES"].total_seconds())
    for cookie in COOKIES if cookies != {} else ():
        response.set_cookie(
            name_of(cookie),
            cookies[cookie] if cookies else "",
            max_age=lifetime if cookies else 0,
            secure=_is_secure(),
            httponly=cookie != "csrf",
            samesite="Strict",
        )
    return response


def _refuse_for_good(error: AppError) -> Response:
    g.is_over = True
    return errors.render(error)


def _is_secure() -> bool:
    """One answer for the whole installation: a request in clear must not choose the plainer names."""
    return bool(current_app.config["PUBLIC_URL"].startswith("https://"))


def _sealed(token: str, kind: str) -> str:
    return urlsafe_b64encode(_cipher().encrypt(token.encode(), [kind.encode()])).decode().rstrip("=")


def _unsealed(value: str, kind: str) -> str:
    """The token in a cookie of this kind. Raises ForeignCookie."""
    try:
        sealed = urlsafe_b64decode(value.encode("ascii") + b"=" * (-len(value) % 4))
        return _cipher().decrypt(sealed, [kind.encode()]).decode()
    except (ValueError, InvalidTag):  # ValueError: no ASCII, no base64, too short to hold anything
        raise ForeignCookie() from None


def _cipher() -> AESSIV:
    """Keyed apart from all else that the secret keys."""
    return AESSIV(digest(current_app.config["SECRET_KEY"].encode(), b"cookies", "sha512"))
