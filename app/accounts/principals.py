"""Who a request speaks for: read fresh on each request, so that an ended session, a disabled user or a changed
role count at once, in every process."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, func, or_, select

from app import database
from app.accounts import second_factor, tokens
from app.accounts.models import ApiKey, Session, User
from app.errors import Forbidden, InvalidToken
from app.extensions import db

ADMIN = "admin"
"""The scope that lets an API key use its owner's role."""
SCOPES = (
    "links:read",
    "links:write",
    "stats:read",
    "users:read",
    "users:write",
    "webhooks:write",
    ADMIN,
)
"""What an API key may be allowed to do."""


# Made once: it is asked on every call.
_SIGNED_IN = (
    select(
        User.id,
        User.public_id,
        User.role,
        Session.public_id,
        Session.id,
        func.coalesce(Session.reauthenticated_at, Session.created_at),
        Session.two_factors,
    )
    .join(Session, Session.user_id == User.id)
    .where(
        Session.public_id == bindparam("session"),
        User.public_id == bindparam("user"),
        Session.ended_at.is_(None),
        User.status == "active",
    )
)


class SessionEnded(InvalidToken):
    """401 INVALID_TOKEN for a token that is ours, of a session that is over: nothing makes it good again."""

    message = "The session has ended."


@dataclass(frozen=True)
class Principal:
    """A verified caller: internal ids for queries, public ones for logs and answers.

    `role` is the one that counts for this call. `scopes` bound an API key; a person has none and may do all that
    the role may.
    """

    user_id: int
    user: str
    role: str
    credential: str
    """The public id of the session or API key."""
    scopes: frozenset[str] | None = field(default=None, kw_only=True)
    owner_role: str | None = field(default=None, kw_only=True)
    """The role of an API key's owner, which may be more than counts for the key."""
    is_withheld: bool = field(default=False, kw_only=True)
    """Whether the role asks for two factors that the session, or the one that made the key, has not shown: then the
    role of a user counts (ADR 19)."""
    secret_hash: str | None = field(default=None, kw_only=True, repr=False)
    """Of the secret that an API key came with, as it is stored."""

    @property
    def tier(self) -> str:
        """The role whose limits hold: a user and the user's keys spend from one bucket."""
        return self.owner_role or self.role

    def may(self, scope: str) -> bool:
        return self.scopes is None or scope in self.scopes

    @property
    def moderates(self) -> bool:
        """Whether links of others are the caller's business: a manager's, and so an admin's."""
        return self.role in ("manager", "admin")


@dataclass(frozen=True)
class SignedIn(Principal):
    """A person, in a session."""

    session_id: int
    proven_at: datetime
    """When he last showed who he is."""
    two_factors: bool

    @property
    def session(self) -> str:
        """The session's public id."""
        return self.credential


def authenticate(token: str) -> SignedIn:
    """Return whom an access token speaks for. Raises AuthRequired (expired), InvalidToken or SessionEnded.

    Reads through a short connection of its own: no write transaction is open while a view thinks.
    """
    claims = tokens.examine(token, "access")
    with database.reading() as connection:
        row = connection.execute(_SIGNED_IN, {"session": claims.session, "user": claims.user}).first()
    if row is None:
        raise SessionEnded()
    user_id, user, role, session, session_id, proven, two_factors = row
    counted = second_factor.counted(role, two_factors)
    withheld = counted != role
    return SignedIn(user_id, user, counted, session, session_id, proven, two_factors, is_withheld=withheld)


def confirm(principal: Principal) -> None:
    """Look at the caller once more, in his own transaction, and hold the credential until that ends.

    For what outlives the credential: since he was let in a slow body, a lock or a provider may have taken its time,
    and meanwhile he was shut out. Raises SessionEnded, InvalidToken for an API key that was revoked or a secret that
    was replaced, or Forbidden where the role that counted is not his any more.
    """
    is_person = isinstance(principal, SignedIn)
    kind = Session if is_person else ApiKey
    alive = Session.ended_at.is_(None) if is_person else _is_secret(principal.secret_hash)
    own = (kind.public_id == principal.credential, User.status == "active", alive)
    query = select(User.role, kind.two_factors).join(kind, kind.user_id == User.id).where(*own)
    found = db.session.execute(query.with_for_update(of=kind)).first()
    if found is None:
        raise SessionEnded() if is_person else InvalidToken("The API key was revoked, or has another secret.")
    if principal.role not in ("user", second_factor.counted(*found)):
        raise Forbidden()


def _is_secret(secret_hash: str | None) -> ColumnElement[bool]:
    """Of the key, or one that a rotation left good for a while."""
    return or_(ApiKey.secret_hash == secret_hash, ApiKey.retired[secret_hash].as_string().is_not(None))
