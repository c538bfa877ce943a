"""Identities: who a user is at the providers. An issuer's subject is one user's alone."""

from sqlalchemy import delete, exists, select
from sqlalchemy.exc import IntegrityError

from app import clock
from app.accounts import notices, ways_in
from app.accounts.letters import WayIn
from app.accounts.models import Identity, User
from app.accounts.oidc import flows
from app.accounts.oidc.proving import Person
from app.accounts.principals import SignedIn
from app.accounts.reauthentication import require_recent
from app.audit import trail
from app.errors import Conflict, NotFound
from app.extensions import db
from app.ids import opaque_id
from app.keyset import Key, Listing


class IdentityTaken(Conflict):
    message = "This person at the provider is linked to another account."


def of(person: Person) -> Identity | None:
    """The identity of somebody at an issuer, if he was linked."""
    return db.session.scalar(
        select(Identity).where(Identity.issuer == person.issuer, Identity.subject == person.subject)
    )


def link(user: User, person: Person, provider: str, *, signs_up: bool = False) -> Identity:
    """Let the person be this user from now on; the user is told, but who `signs_up` by it knows.

    Raises IdentityTaken where the person is another user.
    """
    now = clock.now()
    identity = Identity(
        public_id=opaque_id("idn"),
        user_id=user.id,
        issuer=person.issuer,
        subject=person.subject,
        provider=provider,
        created_at=now,
        last_used_at=now,
    )
    try:
        with db.session.begin_nested():
            db.session.add(identity)
    except IntegrityError:
        return _linked_before(user, person)
    trail.record("identity.linked", identity.public_id, owner=user.public_id, actor=user.public_id)
    if not signs_up:
        notices.way_in(user.id, WayIn.IDENTITY_LINKED)
    return identity


def linked(user_id: int) -> Listing[Identity]:
    """The user's identities, the latest first."""
    order = (
        Key(Identity.created_at.expression, descending=True),
        Key(Identity.id.expression, descending=True),
    )
    return Listing(Identity, [Identity.user_id == user_id], order)


def has_any(user_id: int) -> bool:
    return bool(db.session.scalar(select(exists().where(Identity.user_id == user_id))))


def remove(principal: SignedIn, public_id: str) -> None:
    """Unlink one. Raises ReauthenticationRequired, NotFound, or LastWayIn where nothing else opens the account."""
    # Locked, so that of the last two removed at once one stays.
    user = require_recent(principal)
    own = select(Identity).where(Identity.user_id == user.id)
    identity = db.session.scalar(own.where(Identity.public_id == public_id))
    if identity is None:
        raise NotFound()
    db.session.delete(identity)
    db.session.flush()
    ways_in.refuse_none_left(user)
    trail.record("identity.removed", public_id, owner=user.public_id)
    notices.way_in(user.id, WayIn.IDENTITY_REMOVED)


def forget(user_id: int) -> list[str]:
    """Forget all of the user's, and what he has begun at a provider; return the ids of what he had."""
    flows.forget(user_id)
    removal = delete(Identity).where(Identity.user_id == user_id)
    return list(db.session.scalars(removal.returning(Identity.public_id)))


def _linked_before(user: User, person: Person) -> Identity:
    identity = of(person)
    if identity is None or identity.user_id != user.id:
        raise IdentityTaken()
    identity.last_used_at = clock.now()
    return identity
