"""The outbox: mails written in the transaction of what they tell of, sent by the worker (`app.mail.sending`).

So nothing is sent over the network inside a request, nothing is told that did not happen, and a mail server that is
away keeps nobody waiting.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from email_validator import validate_email
from flask import current_app
from sqlalchemy import delete

from app import clock, sealing
from app.errors import AppError
from app.extensions import db
from app.ids import opaque_id
from app.mail.models import OutgoingMail

_PURPOSE = "mail"
_DAY = timedelta(days=1)


class MailOff(AppError):
    """501: this installation has no mail server (SMTP_URL), so what would need one is not to be had."""

    status, code, message = 501, "NOT_IMPLEMENTED", "This service sends no e-mail; ask its operator."


@dataclass(frozen=True)
class Letter:
    """What a mail says: ASCII, without anything that a stranger wrote."""

    subject: str
    text: str


@dataclass(frozen=True)
class Addressed:
    """A letter on its way. The Message-ID stays the same when it is sent again, so that a mailbox can tell."""

    to: str
    subject: str
    text: str
    message_id: str

    @property
    def recipient(self) -> str:
        """The address with its domain in ASCII, as every mail server understands it. Raises ValueError."""
        checked = validate_email(self.to, check_deliverability=False)
        return checked.ascii_email or f"{checked.local_part}@{checked.ascii_domain}"

    def message(self, written_at: datetime) -> EmailMessage:
        """The mail as it is sent (RFC 5322); `Auto-Submitted` keeps robots from answering (RFC 3834).

        Raises ValueError for what is no address, and where a header would hold a line break.
        """
        message = EmailMessage(policy=SMTP)
        message["From"] = current_app.config["MAIL_FROM"]
        local, _, domain = self.recipient.rpartition("@")
        message["To"] = Address(username=local, domain=domain)
        message["Subject"] = self.subject
        message["Date"] = format_datetime(written_at)
        message["Message-ID"] = self.message_id
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(self.text, cte="7bit")  # as it is: a link stays in one line
        return message


def require_mail() -> None:
    """Raise MailOff where no mail can be sent."""
    if not current_app.config["MAIL_ON"]:
        raise MailOff()


def put(to: str, letter: Letter, owner: str, lasts: timedelta = _DAY) -> None:
    """Add a mail to the session, worth sending for as long as `lasts`; nothing where no mail can be sent.

    `owner` is the public id of the user whom it is about.
    """
    if not current_app.config["MAIL_ON"]:
        return
    now = clock.now()
    domain = parseaddr(current_app.config["MAIL_FROM"])[1].rpartition("@")[2]
    addressed = Addressed(to, letter.subject, letter.text, f"<{opaque_id('mail')}@{domain}>")
    sealed = sealing.seal(_PURPOSE, json.dumps(asdict(addressed)).encode())
    db.session.add(
        OutgoingMail(owner=owner, sealed=sealed, created_at=now, due_at=now, expires_at=now + lasts)
    )


def opened(sealed: bytes) -> Addressed:
    """The letter of a row. Raises BadSeal."""
    return Addressed(**json.loads(sealing.unseal(_PURPOSE, sealed)))


def forget(owner: str) -> None:
    """Delete what waits to be sent about a user."""
    db.session.execute(delete(OutgoingMail).where(OutgoingMail.owner == owner))
