"""Signing in at a provider, and linking who one is there: begun here, gone on with there, completed here."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app import addresses
from app.accounts import guesses, sessions
from app.accounts.devices import Device
from app.accounts.guesses import Guessed
from app.accounts.models import Identity
from app.accounts.oidc import flows, identities, joining, proving, publishing
from app.accounts.oidc.flows import Flow, ForeignFlow
from app.accounts.oidc.proving import Answer, NotProven
from app.accounts.principals import SignedIn
from app.accounts.reauthentication import require_recent
from app.accounts.signing_in import require_verified
from app.accounts.tokens import TokenPair
from app.audit import trail
from app.extensions import db


@dataclass(frozen=True)
class Began:
    """Where the browser goes on, and the secret that it keeps meanwhile."""

    authorization_url: str
    secret: str


@dataclass(frozen=True)
class Returned:
    """A browser that is back from a provider: what it kept, what it was sent with, and the address that the provider
    sent it to."""

    flow: Flow
    answer: Answer
    redirect_uri: str


def begin(name: str, return_to: str, redirect_uri: str, user_id: int | None = None) -> Began:
    """Begin a sign-in, or where `user_id` is given the linking of an identity to that user.

    Raises NotFound for an unknown provider, BadGateway, GatewayTimeout.
    """
    provider = publishing.named(name)
    publishing.metadata(provider)  # before a row is written: it may be asked for over the network
    flow = flows.begin(name, return_to, user_id)
    return Began(proving.authorization_url(provider, flow, redirect_uri), flow.secret)


def complete(name: str, returned: Returned, device: Device) -> TokenPair:
    """Begin a session of the user whom the person at the provider is, or who signs up with that.

    Raises RateLimited before anything is looked at; NotFound, ForeignFlow, NotProven (for a disabled user, too),
    BadGateway, GatewayTimeout; NotVouchedFor, EmailTaken, RegistrationClosed; EmailUnverified, the account made,
    where its address is to be verified first.
    """
    provider = publishing.named(name)
    counted = guesses.count([Guessed("GUESSES_LOGIN_IP", (addresses.counted(device.address),))])
    with _recorded("session.refused"):
        flows.redeem(name, returned.flow)
        person = proving.person(provider, returned.answer, returned.flow, returned.redirect_uri)
    user = joining.user_of(person, provider, device)
    guesses.give_back(counted, db.session.connection())
    require_verified(user, "openid")
    return sessions.begin(user, device, "openid")


def complete_link(name: str, returned: Returned, principal: SignedIn, device: Device) -> Identity:
    """Link the person at the provider to the caller, who must have begun it.

    Raises RateLimited, NotFound, ForeignFlow, NotProven, BadGateway, GatewayTimeout, ReauthenticationRequired,
    IdentityTaken.
    """
    provider = publishing.named(name)
    counted = guesses.count([Guessed("GUESSES_LOGIN_IP", (addresses.counted(device.address),))])
    with _recorded("identity.refused", principal.user):
        flows.redeem(name, returned.flow, principal.user_id)
        person = proving.person(provider, returned.answer, returned.flow, returned.redirect_uri)
    user = require_recent(principal)
    guesses.give_back(counted, db.session.connection())
    return identities.link(user, person, name)


@contextmanager
def _recorded(action: str, owner: str | None = None) -> Iterator[None]:
    """Keep a trace of what proves nothing."""
    try:
        yield
    except (ForeignFlow, NotProven):
        trail.record(action, owner, owner=owner, failed=True, after={"method": "openid"})
        sessions.SIGN_INS.labels("openid", "refused").inc()
        raise
