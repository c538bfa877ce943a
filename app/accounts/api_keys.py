"""API keys: secrets with which programs speak for a person, who makes, limits, rotates and revokes them (ADR 13).

`sl_<id>_<secret>`: the id is that of `key_<id>`, the secret 131 random bits. Secrets are told once and stored as
SHA-256: nobody guesses one from its hash, so nothing is gained by a slow one. How a key is used:
`app.accounts.presented_keys`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import delete, func, select, update

from app import clock, database
from app.accounts import notices
from app.accounts.letters import WayIn
from app.accounts.models import ApiKey
from app.accounts.principals import ADMIN, SCOPES, SignedIn
from app.accounts.reauthentication import require_recent
from app.audit import trail
from app.errors import AppError, FieldError, Forbidden, NotFound, ValidationFailed
from app.extensions import db
from app.ids import opaque_id
from app.keyset import Key, Listing
from app.preconditions import NONE, Precondition

MOST_KEYS = 50  # of an account
MOST_NETWORKS = 20  # of a key
LONGEST_OVERLAP = timedelta(days=7)
KEPT_AFTER_EXPIRY = timedelta(days=30)
_MOST_RETIRED = 4
_NEVER = datetime.max.replace(tzinfo=UTC)


class TooManyKeys(AppError):
    status, code = 409, "CONFLICT"
    message = f"An account has at most {MOST_KEYS} API keys; revoke one first."


@dataclass(frozen=True)
class Issued:
    """A key, and its text with the secret, which is told this once."""

    key: ApiKey
    text: str


def issue(
    person: SignedIn,
    name: str,
    scopes: Sequence[str],
    *,
    networks: Sequence[str] = (),
    expires_at: datetime | None = None,
) -> Issued:
    """Make a key for somebody. `networks`: the CIDRs it may be used from, none for anywhere.

    Raises ReauthenticationRequired, Forbidden for the scope `admin` where there is no role to lend, ValidationFailed
    for a past expiry, TooManyKeys.
    """
    # Else it would begin to work on the day on which its owner is made a manager.
    if ADMIN in scopes and person.role == "user":
        raise Forbidden("The scope admin lends a role, and you have none to lend.", field="scopes")
    now = clock.now()
    _check_expiry(expires_at, now)
    require_recent(person)  # locked: of two at once the second counts the first
    if _count(person.user_id) >= MOST_KEYS:
        raise TooManyKeys()
    public_id = opaque_id("key")
    text = _new_text(public_id)
    key = ApiKey(
        public_id=public_id,
        user_id=person.user_id,
        name=name,
        scopes=[scope for scope in SCOPES if scope in scopes],
        two_factors=person.two_factors,
        networks=list(networks),
        secret_hash=hash_of(text),
        retired={},
        created_at=now,
        updated_at=now,
        expires_at=expires_at,
    )
    db.session.add(key)
    db.session.flush()
    told = {"scopes": key.scopes, "expires_at": _told(expires_at), "networks": len(key.networks)}
    trail.record("api_key.created", public_id, owner=person.user, after=told)
    notices.way_in(person.user_id, WayIn.KEY_MADE)
    return Issued(key, text)


def of_user(user_id: int) -> Listing[ApiKey]:
    """The user's keys, expired ones too, the latest first."""
    order = (Key(ApiKey.created_at.expression, descending=True), Key(ApiKey.id.expression, descending=True))
    return Listing(ApiKey, [ApiKey.user_id == user_id], order)


def get(user_id: int, public_id: str, *, lock: bool = False) -> ApiKey:
    """One key of the user; `lock` keeps others from changing it meanwhile. Raises NotFound."""
    query = select(ApiKey).where(ApiKey.user_id == user_id, ApiKey.public_id == public_id)
    key = db.session.scalar(query.with_for_update() if lock else query)
    if key is None:
        raise NotFound()
    return key


def edit(
    person: SignedIn, public_id: str, changes: dict[str, Any], precondition: Precondition = NONE
) -> ApiKey:
    """Change `name` or `networks`: never what the key may do, since others have its secret already.

    Raises NotFound, PreconditionFailed, and ReauthenticationRequired for other networks.
    """
    if "networks" in changes:
        require_recent(person)
    key = get(person.user_id, public_id, lock=True)
    precondition.check(key.version, key.updated_at)
    changed = sorted(name for name, value in changes.items() if getattr(key, name) != value)
    if changed:
        for name in changed:
            setattr(key, name, changes[name])
        _touch(key)
        trail.record("api_key.changed", public_id, owner=person.user, after={"changed": changed})
        if "networks" in changed:
            notices.way_in(person.user_id, WayIn.KEY_MOVED)
    return key


def rotate(
    person: SignedIn, public_id: str, overlap: timedelta, expires_at: datetime | Literal["kept"] | None
) -> Issued:
    """Give the key a new secret; each earlier one is good for `overlap` at most, and the oldest of many end at once.

    Raises ReauthenticationRequired, NotFound, ValidationFailed where the new secret would be expired.
    """
    require_recent(person)
    key = get(person.user_id, public_id, lock=True)
    now = clock.now()
    expiry = key.expires_at if expires_at == "kept" else expires_at
    _check_expiry(expiry, now)
    ends = earlier_secrets(key.retired) | {key.secret_hash: key.expires_at or _NEVER}
    # In the order of their rotations: the latest stand last.
    overlapping = {kept: min(end, now + overlap) for kept, end in ends.items()}
    alive = [(kept, end.isoformat()) for kept, end in overlapping.items() if end > now]
    text = _new_text(public_id)
    key.retired = dict(alive[-_MOST_RETIRED:])
    # Never more than before: the earlier secrets, which may be in any hands, would get it too.
    key.two_factors = key.two_factors and person.two_factors
    key.secret_hash, key.expires_at = hash_of(text), expiry
    _touch(key)
    told = {"overlap_seconds": int(overlap.total_seconds()), "expires_at": _told(expiry)}
    trail.record("api_key.rotated", public_id, owner=person.user, after=told)
    notices.way_in(person.user_id, WayIn.KEY_ROTATED)
    return Issued(key, text)


def overlap_until(key: ApiKey) -> datetime | None:
    """Until when an earlier secret of the key is still good; None where none is."""
    ends = [min(end, key.expires_at or _NEVER) for end in earlier_secrets(key.retired).values()]
    return max((end for end in ends if end > clock.now()), default=None)


def revoke(person: SignedIn, public_id: str, precondition: Precondition = NONE) -> None:
    """End a key: the next request with it is refused, in every process. Raises NotFound, PreconditionFailed."""
    key = get(person.user_id, public_id, lock=True)
    precondition.check(key.version, key.updated_at)
    db.session.delete(key)
    trail.record("api_key.revoked", public_id, owner=person.user, before={"scopes": key.scopes})
    notices.way_in(person.user_id, WayIn.KEY_REVOKED)


def revoke_all(user_id: int) -> list[str]:
    """End all keys of a user; return their ids."""
    removal = delete(ApiKey).where(ApiKey.user_id == user_id)
    return list(db.session.scalars(removal.returning(ApiKey.public_id)))


def distrust(user_id: int) -> None:
    """Let the user's keys lend no role that asks for two factors: those that they were made with are gone."""
    db.session.execute(update(ApiKey).where(ApiKey.user_id == user_id).values(two_factors=False))


def forget_expired() -> None:
    """Delete keys that expired more than 30 days ago; the worker calls it."""
    with database.writing() as connection:
        connection.execute(delete(ApiKey).where(ApiKey.expires_at <= clock.now() - KEPT_AFTER_EXPIRY))


def hash_of(text: str) -> str:
    """What is stored of a key, 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def earlier_secrets(retired: dict[str, str]) -> dict[str, datetime]:
    """The ends of the secrets from before rotations, by their hashes."""
    return {kept: datetime.fromisoformat(end) for kept, end in retired.items()}


def _new_text(public_id: str) -> str:
    return opaque_id(public_id.replace("key_", "sl_"))


def _count(user_id: int) -> int:
    return db.session.scalar(select(func.count()).where(ApiKey.user_id == user_id)) or 0


def _check_expiry(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise ValidationFailed.of([FieldError("expires_at", "Must be in the future; null for no end.")])


def _touch(key: ApiKey) -> None:
    key.version += 1
    key.updated_at = clock.now()
    db.session.flush()


def _told(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
