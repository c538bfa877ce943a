"""From somebody at a provider to a user here: the one he is linked to, the one of his proven address, or a new one.

An e-mail address opens an existing account only where both sides have it proven: the provider is trusted with
addresses and calls it verified, and the account's own was shown to be its owner's. Else whoever registers an
address first, on either side, would have the other's account (OWASP Authentication Cheat Sheet; ADR 17). Where the
account asks for a second factor an address opens nothing: its owner signs in, and links the provider.
"""

from flask import current_app
from sqlalchemy import select

from app import clock
from app.accounts import petitions, second_factor, users
from app.accounts.devices import Device
from app.accounts.models import User
from app.accounts.oidc import identities
from app.accounts.oidc.proving import NotProven, Person
from app.accounts.signing_in import refused
from app.accounts.users import EmailTaken, RegistrationClosed
from app.errors import Forbidden, ValidationFailed
from app.extensions import db
from settings.providers import OIDCProvider


class LinkFirst(EmailTaken):
    """409, and kept: somebody at a provider would have been let in by an address, as the user who has it."""

    message = "There is an account with this address; sign in to it, then link the provider."
    keeps = True


class NotVouchedFor(Forbidden):
    """403: nobody is looked up or made by such an address."""

    message = "The provider does not vouch for an e-mail address of yours."


def user_of(person: Person, provider: OIDCProvider, device: Device) -> User:
    """The user whom the person is, locked. Who is new has his address verified by a mail, where that is asked for and
    the provider is not trusted to have done it.

    Raises NotProven for one who is disabled, NotVouchedFor, EmailTaken where the address is another account's, or
    RegistrationClosed.
    """
    identity = identities.of(person)
    if identity is not None:
        user = _active(users.get(identity.user_id, lock=True))
        identity.last_used_at = clock.now()
        return user
    address = _vouched(person, provider)
    known = _of_address(address, provider)
    user = known or _new(address, person, provider, device)
    identities.link(_active(user), person, provider.name, signs_up=known is None)
    return user


def _active(user: User) -> User:
    """Raises NotProven, as a disabled user is told nothing else by his password."""
    if user.status != "active":
        raise refused(user.public_id, "openid", NotProven())
    return user


def _vouched(person: Person, provider: OIDCProvider) -> str:
    """The address that the provider may speak for, in its normal form. Raises NotVouchedFor."""
    if not person.email or not person.email_verified:
        raise NotVouchedFor()
    try:
        address = users.checked_email(person.email)
    except ValidationFailed:
        raise NotVouchedFor() from None
    if provider.domains and users.domain_of(address) not in provider.domains:
        raise NotVouchedFor()
    return address


def _of_address(address: str, provider: OIDCProvider) -> User | None:
    """The user of this address. Raises LinkFirst where either side has not proven that it is his, and where a second
    factor is asked of who signs in: an address is one."""
    key = users.email_key(address)
    user = db.session.scalar(select(User).where(User.email_key == key).with_for_update())
    if user is None:
        return None
    # What is stored is compared itself: the key of a row may be as an older release made it.
    is_his = provider.trust_email and users.is_proven(user) and users.email_key(user.email or "") == key
    if not is_his or second_factor.guards(user):
        raise refused(user.public_id, "openid", LinkFirst())
    return user


def _new(address: str, person: Person, provider: OIDCProvider, device: Device) -> User:
    """Sign up, without a password. Raises RegistrationClosed, EmailTaken."""
    users.check_registration(address)
    if not provider.trust_email and (users.is_bounded() or provider.domains):
        raise RegistrationClosed()  # anybody could claim an address of those domains there
    if provider.trust_email:
        return users.add(address, None, person.name, verified_at=clock.now())
    awaits = current_app.config["EMAIL_VERIFICATION"]
    user = users.add(address, None, person.name, awaits_verification=awaits)
    if awaits:
        petitions.verify_new(address, device)
    return user
