"""Passkeys: added, removed, and signed in by, without a name or a password (WebAuthn 3, discoverable credentials)."""

from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError

from app import clock
from app.accounts import ceremonies, challenges, notices, second_factor, sessions, ways_in
from app.accounts.devices import Device
from app.accounts.letters import WayIn
from app.accounts.models import Passkey, User
from app.accounts.principals import SignedIn
from app.accounts.reauthentication import require_recent
from app.accounts.signing_in import InvalidCredentials, refused
from app.accounts.tokens import TokenPair
from app.audit import trail
from app.errors import AppError, Conflict, FieldError, NotFound, ValidationFailed
from app.extensions import db
from app.ids import opaque_id
from app.keyset import Key, Listing

MOST = 20
"""Of one person."""

_ADD, _SIGN_IN = "add a passkey", "sign in"  # what a challenge is for


def options_to_add(principal: SignedIn) -> dict[str, Any]:
    """What the browser needs to make a passkey. Raises ReauthenticationRequired."""
    user = require_recent(principal)
    known = db.session.scalars(select(Passkey).where(Passkey.user_id == user.id)).all()
    return ceremonies.creation_options(user, known, challenges.make(_ADD, principal.session))


def add(principal: SignedIn, name: str, credential: dict[str, Any]) -> Passkey:
    """Add the passkey that a browser made; from here on this session is one of two factors.

    Raises ReauthenticationRequired, whatever was so when the challenge was made; ValidationFailed, or Conflict for
    one that is known or one too many.
    """
    try:
        challenge = ceremonies.challenge_of(credential)
        challenges.spend(challenge, _ADD, principal.session)
        made = ceremonies.registered(credential, challenge)
    except ValueError:
        raise ValidationFailed.of(
            [FieldError("credential", "It does not answer a challenge of ours.")]
        ) from None
    user = require_recent(principal)
    if (db.session.scalar(select(func.count()).where(Passkey.user_id == user.id)) or 0) >= MOST:
        raise Conflict(f"A person has at most {MOST} passkeys; remove one first.")
    passkey = Passkey(
        public_id=opaque_id("psk"),
        user_id=user.id,
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        name=name,
        created_at=clock.now(),
    )
    try:
        with db.session.begin_nested():
            db.session.add(passkey)
    except IntegrityError:
        raise Conflict("This passkey was added before.") from None
    sessions.lift(principal)
    second_factor.added(user)
    trail.record("passkey.added", passkey.public_id, owner=principal.user)
    notices.way_in(user.id, WayIn.PASSKEY_ADDED)
    return passkey


def owned(user_id: int) -> Listing[Passkey]:
    """The user's passkeys, the latest first."""
    order = (Key(Passkey.created_at.expression, descending=True), Key(Passkey.id.expression, descending=True))
    return Listing(Passkey, [Passkey.user_id == user_id], order)


def remove(principal: SignedIn, public_id: str) -> None:
    """Remove one. Raises ReauthenticationRequired, NotFound, SecondFactorRequired for the last that is needed, or
    LastWayIn."""
    user = require_recent(principal)
    own = delete(Passkey).where(Passkey.user_id == user.id, Passkey.public_id == public_id)
    if db.session.execute(own.returning(Passkey.id)).first() is None:
        raise NotFound()
    second_factor.refuse_none_left(user)
    ways_in.refuse_none_left(user)
    trail.record("passkey.removed", public_id, owner=principal.user)
    notices.way_in(user.id, WayIn.PASSKEY_REMOVED)


def forget(user_id: int) -> list[str]:
    """Delete all of the user's; return their ids."""
    removal = delete(Passkey).where(Passkey.user_id == user_id)
    return list(db.session.scalars(removal.returning(Passkey.public_id)))


def options_to_sign_in() -> dict[str, Any]:
    """What the browser needs to sign in, whoever it is that will."""
    return ceremonies.request_options(challenges.make(_SIGN_IN))


def sign_in(credential: dict[str, Any], device: Device) -> TokenPair:
    """Begin a session. Raises InvalidCredentials.

    A signature is no secret that could be guessed, so no guess is counted.
    """
    user = None
    try:
        credential_id, handle = ceremonies.identity_of(credential)
        passkey, user = _known(credential_id)
        challenge = ceremonies.challenge_of(credential)
        challenges.spend(challenge, _SIGN_IN)
        if handle != ceremonies.handle(user):
            raise ceremonies.BadCredential("another's than is said")  # §7.2, step 6
        count = ceremonies.asserted(credential, challenge, passkey).new_sign_count
    except ValueError:
        raise _refused(user) from None
    if user.status != "active" or not _use(passkey, count):
        raise _refused(user)
    return sessions.begin(user, device, "passkey")


def _known(credential_id: bytes) -> tuple[Passkey, User]:
    """The passkey that is said to have signed, and its owner, locked. Raises BadCredential for an unknown one."""
    passkey = db.session.scalar(select(Passkey).where(Passkey.credential_id == credential_id))
    user = db.session.get(User, passkey.user_id, with_for_update=True) if passkey else None
    if passkey is None or user is None:
        raise ceremonies.BadCredential("unknown")
    return passkey, user


def _use(passkey: Passkey, count: int) -> bool:
    """Move the counter up; of two signatures with one number one is good. Authenticators without a counter send 0."""
    goes_up = Passkey.sign_count < count if count else Passkey.sign_count == 0
    statement = (
        update(Passkey)
        .where(Passkey.id == passkey.id, goes_up)
        .values(sign_count=count, last_used_at=clock.now())
        .returning(Passkey.id)
    )
    return db.session.execute(statement).first() is not None


def _refused(user: User | None) -> AppError:
    """What belongs to nobody is not recorded: anybody could fill the log with it."""
    why = InvalidCredentials("The passkey does not open an account here.")
    return refused(user.public_id, "passkey", why) if user else why
