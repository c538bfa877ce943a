"""Users: registration and profile."""

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from email_validator import EmailNotValidError, validate_email
from flask import current_app
from sqlalchemy import inspect, select

from app import clock, database
from app.accounts import passwords
from app.accounts.models import User
from app.audit import circumstances, trail
from app.errors import AppError, Conflict, FieldError, NotFound, ValidationFailed
from app.extensions import db
from app.ids import opaque_id
from app.preconditions import NONE, Precondition

VERIFIED_WITHIN = timedelta(days=7)
LONGEST_EMAIL = 254  # RFC 5321 §4.5.3.1.3, as corrected by its erratum 1690


class EmailTaken(AppError):
    status, code, message = 409, "EMAIL_TAKEN", "There is an account with this e-mail address."


class VerifiedMeanwhile(Conflict):
    """409: the account is not closed for want of a verified address."""


class RegistrationClosed(AppError):
    status, code, message = 403, "REGISTRATION_CLOSED", "Registration is not open to this address."


def register(email: str, password: str, name: str | None = None) -> User:
    """Open an account as `REGISTRATION` allows.

    Raises RegistrationClosed, EmailTaken, or ValidationFailed for a bad address or password.
    """
    return create(admitted(email), password, name)


def admitted(email: str) -> str:
    """An address that `REGISTRATION` lets in, in its normal form. Raises RegistrationClosed or ValidationFailed."""
    address = checked_email(email)
    check_registration(address)
    return address


def check_registration(address: str) -> None:
    """Raise RegistrationClosed where `REGISTRATION` has no room for this address."""
    if current_app.config["REGISTRATION"] == "closed":
        raise RegistrationClosed()
    check_domain(address)


def check_domain(address: str) -> None:
    """Raise RegistrationClosed for an address of a domain that no account here may be of."""
    if is_bounded() and domain_of(address) not in current_app.config["REGISTRATION_DOMAINS"]:
        raise RegistrationClosed()


def create(email: str, password: str, name: str | None = None, role: str = "user") -> User:
    """Add a user whatever `REGISTRATION` says. Raises EmailTaken or ValidationFailed."""
    address = checked_email(email)
    return add(address, passwords.hashed(passwords.accepted(password, email=address)), name, role)


def add(
    address: str,
    password_hash: str | None,
    name: str | None = None,
    role: str = "user",
    *,
    awaits_verification: bool = False,
    verified_at: datetime | None = None,
) -> User:
    """Add a user whose address and password were checked; without a password where another proof opens the account.
    Raises EmailTaken."""
    now = clock.now()
    row = database.insert_into(User, db.session.connection()).values(
        public_id=opaque_id("usr"),
        email=address,
        email_key=email_key(address),
        email_verified_at=verified_at,
        name=name,
        password_hash=password_hash,
        role=role,
        created_at=now,
        updated_at=now,
        awaits_verification=awaits_verification,
    )
    user: User | None = db.session.scalar(
        row.on_conflict_do_nothing(index_elements=[User.email_key]).returning(User)
    )
    if user is None:
        raise EmailTaken(field="email")
    actor = circumstances.current().actor or user.public_id  # who registers is nobody yet
    trail.record("user.created", user.public_id, owner=user.public_id, actor=actor, after={"role": role})
    return user


def never_verified() -> list[int]:
    """The internal ids of accounts that nobody verified within a week: the address may be a stranger's. None while
    EMAIL_VERIFICATION is off: then whoever knows the password may sign in."""
    if not current_app.config["EMAIL_VERIFICATION"]:
        return []
    late = User.created_at < clock.now() - VERIFIED_WITHIN
    query = select(User.id).where(User.awaits_verification, late, User.status != "closed")
    with database.reading() as connection:
        return list(connection.scalars(query))


def get(user_id: int, *, lock: bool = False) -> User:
    """The user with this internal id; `lock` keeps others from changing it meanwhile. Raises NotFound."""
    user = db.session.get(User, user_id, with_for_update=lock or None)
    if user is None or user.status == "closed":
        raise NotFound()
    return user


def email_of(user_id: int) -> str:
    """The address of an account that is not closed. Begins no write transaction. Raises NotFound."""
    with database.reading() as connection:
        found = connection.scalar(select(User.email).where(User.id == user_id))
    if found is None:
        raise NotFound()
    return found


def by_email(email: str) -> int:
    """The internal id of the account with this address, however it is spelt. Raises NotFound."""
    with database.reading() as connection:
        found = connection.scalar(select(User.id).where(User.email_key == email_key(email)))
    if found is None:
        raise NotFound("There is no account with this e-mail address.")
    return int(found)


def edit(user_id: int, changes: dict[str, Any], precondition: Precondition = NONE) -> User:
    """Change the profile: `name`. Raises PreconditionFailed."""
    # Locked, so that an account that is being closed at the same time stays erased, and none compares the
    # version that another is about to move.
    user = get(user_id, lock=True)
    precondition.check(user.version, user.updated_at)
    for attribute, value in changes.items():
        setattr(user, attribute, value)
    if changed := [name for name in changes if inspect(user).attrs[name].history.has_changes()]:
        trail.record("user.changed", user.public_id, owner=user.public_id, after={"fields": sorted(changed)})
        user.version += 1
        user.updated_at = clock.now()
        db.session.flush()
    return user


def emails(public_ids: Collection[str]) -> dict[str, str]:
    """The addresses that these users have now, by public id; none of a closed account."""
    query = select(User.public_id, User.email).where(User.public_id.in_(public_ids), User.email.is_not(None))
    return {public_id: str(email) for public_id, email in db.session.execute(query)} if public_ids else {}


def is_bounded() -> bool:
    """Whether only addresses of some domains may register: what one claims of his address decides then."""
    return bool(current_app.config["REGISTRATION"] == "domains")


def is_proven(user: User) -> bool:
    """Whether it was shown that the account's address is its owner's."""
    return user.email_verified_at is not None


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()


def email_key(email: str) -> str:
    """What makes two spellings of an address the same account: its domain as registries and DNS have it (the A-label
    of IDNA 2008), the part before it in small letters. Never case-folded: straße.de and strasse.de are two owners'.
    """
    with suppress(EmailNotValidError):
        address = validate_email(email.strip(), check_deliverability=False)
        return f"{address.local_part.lower()}@{address.ascii_domain.lower()}"
    return email.strip().lower()


def checked_email(email: str) -> str:
    """The address in its normal form. Raises ValidationFailed naming `email`."""
    try:
        address = validate_email(email, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValidationFailed.of([FieldError("email", str(error))]) from None
    if len(email_key(address)) > LONGEST_EMAIL:  # an A-label is longer, and small letters may be
        raise ValidationFailed.of([FieldError("email", "The email address is too long.")])
    return address
