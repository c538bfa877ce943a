"""Notices: what the owner of an account is told because it may have been somebody else (ASVS 5.0 6.3.5, 6.3.7)."""

from app import clock
from app.accounts import guesses, letters
from app.accounts.devices import Device
from app.accounts.guesses import Guessed
from app.accounts.models import User
from app.extensions import db
from app.mail import outbox
from app.mail.outbox import Letter


def tell(user: str, address: str | None, letter: Letter) -> None:
    """Write to the user with this public id, at `address`: at most MAILS_NOTICES, so that nobody can flood it."""
    bound = Guessed("MAILS_NOTICES", (user,))
    if address and guesses.has_room(bound, db.session.connection()):
        outbox.put(address, letter, user)


def new_device(user: User, device: Device) -> None:
    """Tell of a sign-in from a device that is not known."""
    letter = letters.new_device(clock.now(), device.network, device.user_agent)
    tell(user.public_id, user.email, letter)
