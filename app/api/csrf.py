"""Cross-site request forgery: a browser adds cookies to whatever any page lets it send, so a credential that came by
cookie is believed only with a proof that the page may speak for its reader. ADR 12.

Two proofs, each enough by itself in today's browsers: where the request comes from (`Sec-Fetch-Site`, `Origin`), and
a token that other pages cannot read, sent back in a header they cannot set (the signed double submit of the OWASP
CSRF Prevention Cheat Sheet; ASVS 5.0 3.5.1).
"""

import hashlib
import hmac
import secrets

from flask import current_app, request

from app.errors import AppError
from app.web.safe_methods import SAFE_METHODS

HEADER = "X-CSRF-Token"


class CSRFFailed(AppError):
    status, code = 403, "CSRF_FAILED"
    message = "A browser's cookies are not enough: send X-CSRF-Token, from a page of this site."


def refuse_foreign() -> None:
    """Raise CSRFFailed where a browser says that it asks for a page which is neither ours nor of a listed origin.

    Who says nothing is no browser of today; then the token decides. A read may come without `Origin` from another
    host of the site (a download link there): that page does not get to see what comes.
    """
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if origin is not None and not (_is_ours(origin) or _is_listed(origin)):
        raise CSRFFailed("Pages of this origin have no part in this.")
    if site not in (None, "same-origin", "same-site", "none"):
        raise CSRFFailed("Cookies count on pages of the same site only: others send a token as Bearer.")
    if site == "same-site" and origin is None and request.method not in SAFE_METHODS:
        raise CSRFFailed("Another host of this site must name its origin.")


def token_for(session: str) -> str:
    """A new token for the session with this public id."""
    nonce = secrets.token_urlsafe(16)
    return f"{nonce}.{_mac(session, nonce)}"


def is_genuine(token: str, session: str) -> bool:
    """Whether the token was made here, for this session."""
    nonce, _, mac = token.partition(".")
    return hmac.compare_digest(mac.encode(), _mac(session, nonce).encode())


def check(session: str, cookie: str) -> None:
    """Raise CSRFFailed unless the header has the token of the `cookie`, and that is one of the session's."""
    sent = request.headers.get(HEADER, "")
    if not hmac.compare_digest(sent.encode(), cookie.encode()) or not is_genuine(sent, session):
        raise CSRFFailed()


def _mac(session: str, nonce: str) -> str:
    """Keyed apart from all else that the secret keys; lengths keep the two parts apart."""
    key = hmac.digest(current_app.config["SECRET_KEY"].encode(), b"csrf", "sha256")
    text = f"{len(session)}!{session}!{len(nonce)}!{nonce}"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _is_ours(origin: str) -> bool:
    """Schemes count: a page that came in clear may be anybody's who sat on the way."""
    own = (current_app.config["PUBLIC_URL"], f"{request.scheme}://{request.host}")
    return origin.lower() in {one.lower() for one in own}


def _is_listed(origin: str) -> bool:
    return any(pattern.match(origin) for pattern in current_app.config["CORS_ORIGINS"])
