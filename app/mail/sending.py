"""Sending what is in the outbox: the worker's part.

A mail is claimed by one conditional UPDATE, which is a lease: of two workers one has it, and when he is killed it is
sent by the next after the lease. Killed between the server's "250" and the deletion of the row, it is sent twice;
SMTP allows no better (RFC 5321 §4.5.4.1), and the Message-ID is the same.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage

from prometheus_client import Counter
from sqlalchemy import delete, select, update

from app import clock, database
from app.logs import log
from app.mail import outbox, transport
from app.mail.models import OutgoingMail

LEASE = timedelta(minutes=10)  # longer than any conversation with a server that answers within its time-outs
MAILS = Counter(
    "slugline_mails", "Mails sent, not sent this time (and tried again), and given up", ["outcome"]
)
_FIRST_WAIT = timedelta(seconds=15)
_LONGEST_WAIT = timedelta(minutes=15)


@dataclass(frozen=True)
class _Claimed:
    id: int
    sealed: bytes
    created_at: datetime
    tries: int


def send_due() -> None:
    """Send what is due. The first failure ends the round: the server is asked again when the next mail is due.

    Logs tell the row's id and the server's code, never the address or what the server said of it.
    """
    _give_up()
    with ExitStack() as stack:
        deliver: transport.Deliver | None = None
        while claimed := _claim():
            try:
                message, recipient = _prepared(claimed)
                deliver = deliver or stack.enter_context(transport.connected())
                deliver(message, recipient)
            except transport.Undeliverable as error:
                MAILS.labels("given up").inc()
                log.warning("mail given up", mail=claimed.id, smtp_code=error.code)
                _delete(claimed)
            except OSError as error:
                MAILS.labels("failed").inc()
                code = getattr(error, "smtp_code", None)
                log.warning(
                    "mail not sent; trying again",
                    mail=claimed.id,
                    tries=claimed.tries,
                    error=type(error).__name__,
                    smtp_code=code,
                )
                _put_off(claimed)
                break
            else:
                MAILS.labels("sent").inc()
                _delete(claimed)


def _prepared(claimed: _Claimed) -> tuple[EmailMessage, str]:
    """The message and its recipient. Raises Undeliverable for one that can't be read (SECRET_KEY was changed) or
    written any more."""
    try:
        addressed = outbox.opened(claimed.sealed)
        return addressed.message(claimed.created_at), addressed.recipient
    except ValueError:
        raise transport.Undeliverable(None) from None


def wait(tries: int) -> timedelta:
    """How long after so many tries the next one is made: twice as long each time, up to a quarter of an hour."""
    doubled: timedelta = _FIRST_WAIT * 2 ** min(tries, 10)
    return min(doubled, _LONGEST_WAIT)


def _claim() -> _Claimed | None:
    """Take the mail that is due for longest. Looks before it writes: mostly there is none."""
    now = clock.now()
    due = select(OutgoingMail.id).where(OutgoingMail.due_at <= now).order_by(OutgoingMail.due_at).limit(1)
    with database.reading() as connection:
        found = connection.scalar(due)
    if found is None:
        return None
    claim = (
        update(OutgoingMail)
        # Again: another worker may have claimed it since.
        .where(OutgoingMail.id == due.scalar_subquery(), OutgoingMail.due_at <= now)
        .values(due_at=now + LEASE, tries=OutgoingMail.tries + 1)
        .returning(OutgoingMail.id, OutgoingMail.sealed, OutgoingMail.created_at, OutgoingMail.tries)
    )
    with database.writing() as connection:
        row = connection.execute(claim).first()
    return _Claimed(*row) if row else None


def _put_off(claimed: _Claimed) -> None:
    own = (OutgoingMail.id == claimed.id) & (OutgoingMail.tries == claimed.tries)
    with database.writing() as connection:
        connection.execute(update(OutgoingMail).where(own).values(due_at=clock.now() + wait(claimed.tries)))


def _delete(claimed: _Claimed) -> None:
    with database.writing() as connection:
        connection.execute(delete(OutgoingMail).where(OutgoingMail.id == claimed.id))


def _give_up() -> None:
    """Delete what is not worth sending any more."""
    late = OutgoingMail.expires_at <= clock.now()
    with database.reading() as connection:
        if connection.scalar(select(OutgoingMail.id).where(late).limit(1)) is None:
            return
    with database.writing() as connection:
        for id_, tries in connection.execute(
            delete(OutgoingMail).where(late).returning(OutgoingMail.id, OutgoingMail.tries)
        ):
            MAILS.labels("given up").inc()
            log.error("mail given up: too old", mail=id_, tries=tries)
