"""Notices: what the owner of an account is told because it may have been somebody else (ASVS 5.0 6.3.5, 6.3.7)."""

from sqlalchemy import func, select

from app import clock
from app.accounts import guesses, letters
from app.accounts.devices import Device
from app.accounts.guesses import Guessed
from app.accounts.letters import WayIn
from app.accounts.models import ApiKey, Identity, Passkey, User
from app.extensions import db
from app.mail import outbox
from app.mail.outbox import Letter


def tell(user: str, address: str | None, letter: Letter) -> None:
    """Write to the user with this public id, at `address`.

    At most MAILS_NOTICES of a kind, so that nobody can flood a mailbox; of a kind, so that many sign-ins from new
    devices don't leave a change of address untold: of what goes untold the owner was just told, many times.
    """
    bound = Guessed("MAILS_NOTICES", (user, letter.subject))
    if address and guesses.has_room(bound, db.session.connection()):
        outbox.put(address, letter, user)


def new_device(user: User, device: Device) -> None:
    """Tell of a sign-in from a device that is not known."""
    letter = letters.new_device(clock.now(), device.network, device.user_agent)
    tell(user.public_id, user.email, letter)


def closed(user: User) -> None:
    """Tell of the end of an account, while its address is known: whatever else was to be told does not come any
    more, so that a thief could have silenced it."""
    tell(user.public_id, user.email, letters.closed())


def way_in(user_id: int, what: WayIn) -> None:
    """Tell the user with this internal id what became of a way into his account."""
    _write(user_id, letters.way_in(what))


def password_changed(user_id: int) -> None:
    """Tell of another password, and of what opens the account beside it."""
    now = clock.now()
    others = {
        "passkeys": select(func.count()).where(Passkey.user_id == user_id),
        "sign-ins at providers": select(func.count()).where(Identity.user_id == user_id),
        "API keys": select(func.count()).where(
            ApiKey.user_id == user_id, ApiKey.expires_at.is_(None) | (ApiKey.expires_at > now)
        ),
    }
    counts = {name: db.session.scalar(query) or 0 for name, query in others.items()}
    _write(user_id, letters.password_changed(counts))


def _write(user_id: int, letter: Letter) -> None:
    user = db.session.get_one(User, user_id)
    tell(user.public_id, user.email, letter)
