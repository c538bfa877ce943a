"""Proving that one reads what is sent to an address: verifying it, changing it, setting a forgotten password."""

from sqlalchemy.exc import IntegrityError

from app import clock
from app.accounts import (
    api_keys,
    devices,
    guesses,
    letters,
    notices,
    one_time,
    passkeys,
    passwords,
    petitions,
    second_factor,
    sessions,
    signing_in,
    users,
)
from app.accounts.comparing import compare
from app.accounts.devices import Device
from app.accounts.models import User
from app.accounts.oidc import identities
from app.accounts.one_time import EMAIL, RESET, VERIFY, InvalidOneTimeToken
from app.accounts.principals import SignedIn
from app.accounts.reauthentication import require_factors
from app.accounts.users import EmailTaken
from app.audit import trail
from app.extensions import db


def verify(token: str, password: str | None, device: Device) -> None:
    """Take the address of an account for proven. Raises RateLimited, InvalidOneTimeToken or WrongPassword."""
    user, address = _redeemed(token, VERIFY, password, device)
    _require(user, address)
    _prove(user)
    trail.record("email.verified", user.public_id, owner=user.public_id, actor=user.public_id)


def reset_password(token: str, password: str, device: Device) -> None:
    """Set a new password, which proves the address too; ends all sessions, forgets all devices but this one.

    A second factor stays: who reads the mail has shown one thing, not two.

    Raises ValidationFailed, RateLimited or InvalidOneTimeToken.
    """
    examined = one_time.examine(token, RESET, device)
    accepted = passwords.accepted(password, email=examined.address)
    with guesses.kept_unless_busy(examined.counted):
        password_hash = passwords.hashed(accepted)
    user, address = one_time.redeem(examined)
    _require(user, address)
    if not users.is_proven(user):
        _disown(user)
    user.password_hash = password_hash
    _prove(user)
    one_time.end(user.id)
    sessions.end_all(user.id, actor=user.public_id)
    _begin_anew(user, device)
    notices.password_changed(user.id)
    trail.record("password.reset", user.public_id, owner=user.public_id, actor=user.public_id)


def request_change(principal: SignedIn, email: str, password: str, device: Device) -> None:
    """Ask for another address; it is proven before it counts (`confirm_change`), and the old one is told.

    Raises ValidationFailed, RegistrationClosed, RateLimited, WrongPassword, MailOff, or ReauthenticationRequired
    where the password alone does not open the account.
    """
    address = users.checked_email(email)
    users.check_domain(address)
    compared = compare(principal.user_id, principal.user, password, device)
    petitions.change_email(principal, address, compared, device)
    require_factors(principal)
    trail.record("email.change_requested", principal.user, owner=principal.user)


def confirm_change(token: str, password: str | None, device: Device) -> None:
    """Give the account the address that the token was sent to.

    Raises RateLimited, InvalidOneTimeToken, WrongPassword, RegistrationClosed where no account may be of its domain
    any more, or EmailTaken where another account got it meanwhile.
    """
    user, address = _redeemed(token, EMAIL, password, device)
    users.check_domain(address)
    old = user.email
    try:
        with db.session.begin_nested():
            user.email, user.email_key = address, users.email_key(address)
            _prove(user)
    except IntegrityError:
        raise EmailTaken() from None
    one_time.end(user.id)
    notices.tell(user.public_id, old, letters.changed())
    trail.record("email.changed", user.public_id, owner=user.public_id, actor=user.public_id)


def _redeemed(token: str, purpose: str, password: str | None, device: Device) -> tuple[User, str]:
    """Use the token up, for who knows the account's password as well.

    Else a stranger who finds "confirm your address" in his mail would prove it for whoever opened an account with it
    ("pre-hijacking"); who reads the mail and has no password sets one by `reset_password`.
    """
    examined = one_time.examine(token, purpose, device)
    with guesses.kept_unless_busy(examined.counted):
        compare(examined.user_id, examined.user, password, device)
    return one_time.redeem(examined)


def _require(user: User, address: str) -> None:
    """Raises InvalidOneTimeToken where the account has another address by now."""
    if user.email != address:
        raise InvalidOneTimeToken()


def _disown(user: User) -> None:
    """Take the ways in away that were there before anybody proved the address: whoever opened the account may not be
    its reader ("pre-hijacking", Sudhodanan and Paverd 2022).

    One-time codes open nothing, and stay. Passkeys too of who has to have a second factor: a mailbox is none.
    """
    gone = {"identity.removed": identities.forget(user.id), "api_key.revoked": api_keys.revoke_all(user.id)}
    if not second_factor.is_needed(user.role):
        gone["passkey.removed"] = passkeys.forget(user.id)
    for action, public_ids in gone.items():
        for public_id in public_ids:
            trail.record(action, public_id, owner=user.public_id, actor=user.public_id)


def _begin_anew(user: User, device: Device) -> None:
    """What was counted of strangers' guesses is over, and this device alone is known: one of the others may be the
    thief's, whose next sign-in is worth a notice."""
    key, own = user.email_key or "", device.fingerprint(user.public_id)
    guesses.forget([*signing_in.counts(key), *signing_in.counts(key, own)])
    devices.forget(user.id)
    devices.remember(user.id, user.public_id, device)


def _prove(user: User) -> None:
    user.email_verified_at = user.updated_at = clock.now()
    user.awaits_verification = False
    user.version += 1
