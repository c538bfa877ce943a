"""Sign-ins that were begun at a provider and are not complete: each is good once, in the browser it was begun in.

The browser keeps a secret in a cookie, the provider hands `state` back. Both together are the key of the row, and
what the PKCE verifier and the nonce are derived from: so nothing that lies in the database, and nothing that stands
in a URL, completes a sign-in (RFC 9700 §2.1.1, §4.7.1).
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, select

from app import clock, database
from app.accounts.models import SignInFlow
from app.errors import AppError
from app.extensions import db

LIFE = timedelta(minutes=10)


class ForeignFlow(AppError):
    """403: the state is unknown, used, too old, or another browser's (login CSRF, RFC 6749 §10.12)."""

    status, code = 403, "CSRF_FAILED"
    message = "This sign-in was not begun in this browser, or not lately; begin again."
    keeps = True


@dataclass(frozen=True)
class Flow:
    """`secret` is for the browser alone, `state` for the provider's URL."""

    secret: str
    state: str

    @property
    def key(self) -> str:
        return hashlib.sha256(f"{self.secret}.{self.state}".encode()).hexdigest()

    @property
    def verifier(self) -> str:
        """The code verifier (RFC 7636 §4.1)."""
        return self._derived("verifier")

    @property
    def nonce(self) -> str:
        return self._derived("nonce")

    def _derived(self, purpose: str) -> str:
        digest = hmac.digest(self.secret.encode(), f"{purpose}.{self.state}".encode(), "sha256")
        return urlsafe_b64encode(digest).decode().rstrip("=")


def begin(provider: str, return_to: str, user_id: int | None = None) -> Flow:
    """Remember that somebody goes to the provider now: to sign in, or to link who he is there to this user."""
    flow = Flow(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
    expires_at = clock.now() + LIFE
    db.session.add(
        SignInFlow(
            key=flow.key, provider=provider, user_id=user_id, return_to=return_to, expires_at=expires_at
        )
    )
    return flow


def way_back(provider: str, flow: Flow) -> str:
    """Where the browser that comes back from the provider wants to go. Raises ForeignFlow."""
    with database.reading() as connection:
        query = select(SignInFlow.return_to).where(*_own(provider, flow))
        return_to = connection.scalar(query)
    if return_to is None:
        raise ForeignFlow()
    return return_to


def redeem(provider: str, flow: Flow, user_id: int | None = None) -> None:
    """Take the one use of it, in a short transaction of its own: whatever comes after, it does not come back.

    Raises ForeignFlow.
    """
    same_user = SignInFlow.user_id.is_(None) if user_id is None else SignInFlow.user_id == user_id
    taking = delete(SignInFlow).where(*_own(provider, flow), same_user).returning(SignInFlow.key)
    with database.writing() as connection:
        taken = connection.scalar(taking)
    if taken is None:
        raise ForeignFlow()


def forget(user_id: int) -> None:
    """Forget what the user began."""
    db.session.execute(delete(SignInFlow).where(SignInFlow.user_id == user_id))


def forget_expired() -> None:
    """Delete those that nobody completed; the worker calls it."""
    with database.writing() as connection:
        connection.execute(delete(SignInFlow).where(SignInFlow.expires_at <= clock.now()))


def _own(provider: str, flow: Flow) -> tuple[ColumnElement[bool], ...]:
    return (SignInFlow.key == flow.key, SignInFlow.provider == provider, SignInFlow.expires_at > clock.now())
