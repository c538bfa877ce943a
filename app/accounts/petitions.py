"""Petitions: what is asked of an e-mail address by somebody who need not know whether it has an account.

The call writes down what is asked, whatever the address is, and answers; the worker looks who has it and writes to
him. So the answer cannot tell, and neither can the time that it takes (ASVS 5.0 6.3.8). How many mails an address
gets of each kind, and how many an address of the network causes, is counted first: of each kind, so that nobody can
use up those that set a forgotten password by asking for others.
"""

import hashlib
import json
from collections.abc import Callable
from contextvars import copy_context
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.exc import OperationalError

from app import addresses, clock, database, sealing
from app.accounts import guesses, letters, notices, one_time, passwords, second_factor, users
from app.accounts.devices import Device
from app.accounts.guesses import Guessed
from app.accounts.models import Petition, User
from app.accounts.oidc import identities
from app.accounts.one_time import EMAIL, LIFE, RESET, VERIFY
from app.accounts.principals import SignedIn
from app.audit import circumstances, trail
from app.audit.circumstances import Circumstances
from app.extensions import db
from app.logs import log
from app.mail import outbox
from app.mail.outbox import Letter

_PURPOSE = "petition"
_KEPT = timedelta(hours=1)
"""What nobody answered for so long (the worker was away) is not expected any more."""


def register(email: str, password: str, name: str | None, device: Device) -> None:
    """Ask for an account, while EMAIL_VERIFICATION is on: the worker opens it, or tells the address that it has one.

    Raises RegistrationClosed, ValidationFailed, RateLimited or MailOff.
    """
    outbox.require_mail()
    address = users.admitted(email)
    accepted = passwords.accepted(password, email=address)
    _count("register", address, device)
    _write("register", email=address, name=name, password_hash=passwords.hashed(accepted))


def verify(email: str, device: Device) -> None:
    """Ask for (another) link that verifies the address. Raises ValidationFailed, RateLimited or MailOff."""
    _ask("verify", email, device)


def verify_new(address: str, device: Device) -> None:
    """Ask for the link for an account that is made in the caller's transaction. Where too many mails were asked for
    none is sent: its owner may ask for one later."""
    within = db.session.connection()
    if all(guesses.has_room(counted, within) for counted in _counted("verify", address, device)):
        _write("verify", email=address)


def reset(email: str, device: Device) -> None:
    """Ask for a link that sets a new password. Raises ValidationFailed, RateLimited or MailOff."""
    _ask("reset", email, device)


def change_email(person: SignedIn, email: str, password_hash: str, device: Device) -> None:
    """Ask for another address for somebody who has proven who he is by the password of this hash: another password
    stops the change, whether it was answered yet or not, and so does a second factor that he has not shown.

    Raises ValidationFailed, RateLimited or MailOff.
    """
    proof = _digest(password_hash)
    _ask("email", email, device, user=person.user, proof=proof, two_factors=person.two_factors)


def answer_next() -> bool:
    """Answer the oldest petition, in the session; the caller commits. False where there is none."""
    with database.reading() as connection:
        oldest = connection.scalar(select(Petition.id).order_by(Petition.id).limit(1))
    if oldest is None:
        return False
    taken = delete(Petition).where(Petition.id == oldest)
    columns = (Petition.kind, Petition.sealed, Petition.request_id, Petition.ip_prefix, Petition.created_at)
    row = db.session.execute(taken.returning(*columns)).first()
    if row and row.created_at > clock.now() - _KEPT:
        # In a context of its own: what the worker does next is not the asker's doing.
        copy_context().run(_answer, row.kind, row.sealed, row.request_id, row.ip_prefix)
    return True


def _answer(kind: str, sealed: bytes, request_id: str | None, ip_prefix: str) -> None:
    """Answer one, or drop it: whatever is wrong with it, those behind it don't wait. Raises OperationalError, which
    is the database's failure: then the petition stays."""
    circumstances.begin(Circumstances(None, None, request_id, ip_prefix))
    try:
        with db.session.begin_nested():  # all of the answer or nothing
            _ANSWERS[kind](**json.loads(sealing.unseal(_PURPOSE, sealed)))
    except OperationalError:
        raise
    except Exception as error:
        log.error("petition dropped", kind=kind, error=type(error).__name__)  # its text may tell the address


def _ask(kind: str, email: str, device: Device, **more: str | bool) -> None:
    outbox.require_mail()
    address = users.checked_email(email)
    _count(kind, address, device)
    _write(kind, email=address, **more)


def _count(kind: str, address: str, device: Device) -> None:
    """Raises RateLimited; the same for an address that nobody has."""
    guesses.count(_counted(kind, address, device))


def _counted(kind: str, address: str, device: Device) -> list[Guessed]:
    by_address = Guessed("MAILS_ADDRESS", (kind, users.email_key(address)))
    return [by_address, Guessed("MAILS_IP", (addresses.counted(device.address),))]


def _write(kind: str, **asked: str | bool | None) -> None:
    now = circumstances.current()
    db.session.add(
        Petition(
            kind=kind,
            sealed=sealing.seal(_PURPOSE, json.dumps(asked).encode()),
            request_id=now.request_id,
            ip_prefix=now.ip_prefix,
            created_at=clock.now(),
        )
    )


def _register(email: str, name: str | None, password_hash: str) -> None:
    user = _active(email)
    if user is None:
        user = users.add(email, password_hash, name, awaits_verification=True)
        _send(user, VERIFY, letters.verify)
    elif user.awaits_verification:
        # One of the two may be a stranger who waits for the other to verify it: neither's way in counts.
        user.password_hash = None
        for identity in identities.forget(user.id):
            trail.record("identity.removed", identity, owner=user.public_id)
        one_time.end(user.id, VERIFY)
        _send(user, RESET, letters.registered_again)
    else:
        outbox.put(user.email or "", letters.already_registered(), user.public_id)


def _verify(email: str) -> None:
    user = _active(email)
    if user and user.email_verified_at is None:
        if user.awaits_verification and user.password_hash is None and not identities.has_any(user.id):
            _send(user, RESET, letters.registered_again)
        else:
            _send(user, VERIFY, letters.verify if user.awaits_verification else letters.verify_known)


def _reset(email: str) -> None:
    user = _active(email)
    if user:
        _send(user, RESET, letters.reset)
        trail.record("password.reset_requested", user.public_id, owner=user.public_id)


def _change_email(email: str, user: str, proof: str, two_factors: bool) -> None:
    found = db.session.scalar(select(User).where(User.public_id == user).with_for_update())
    if found is None or found.status != "active" or _digest(found.password_hash or "") != proof:
        return
    if second_factor.guards(found) and not two_factors:
        return
    holder = _holder(email)
    if holder is None or holder.id == found.id:  # his own in another spelling
        token = one_time.issue(found.id, EMAIL, email)
        outbox.put(email, letters.confirm_change(token), user, LIFE[EMAIL])
    elif holder.status == "active":
        outbox.put(email, letters.address_in_use(), holder.public_id)
    notices.tell(user, found.email, letters.change_requested())


_ANSWERS: dict[str, Callable[..., None]] = {
    "register": _register,
    "verify": _verify,
    "reset": _reset,
    "email": _change_email,
}


def _digest(password_hash: str) -> str:
    """What tells that the password is still the same, and is no second copy of its hash."""
    return hashlib.sha256(password_hash.encode()).hexdigest()


def _active(email: str) -> User | None:
    """Whose address it is; None where the account is disabled, too: nothing is written to him."""
    user = _holder(email)
    return user if user and user.status == "active" else None


def _holder(email: str) -> User | None:
    key = users.email_key(email)
    return db.session.scalar(select(User).where(User.email_key == key).with_for_update())


def _send(user: User, purpose: str, letter: Callable[[str], Letter]) -> None:
    """Send a token to the address of the account, in the spelling that is stored."""
    address = user.email or ""
    token = one_time.issue(user.id, purpose, address)
    outbox.put(address, letter(token), user.public_id, LIFE[purpose])
