"""What people find in their mail: the worker's part of it done, the outbox read."""

import re
from typing import Any

from flask import Flask
from sqlalchemy import delete, select

from app import database
from app.accounts import one_time
from app.accounts.models import User
from app.accounts.one_time import EMAIL, RESET, VERIFY
from app.cli.worker import answer_petitions
from app.extensions import db
from app.mail import outbox
from app.mail.models import OutgoingMail
from app.mail.outbox import Addressed
from tests.conftest import Caller

REQUIRED = {"EMAIL_VERIFICATION": True}
UNLIMITED = dict.fromkeys(("MAILS_ADDRESS", "MAILS_IP", "GUESSES_ONE_TIME"), "none")
"""For a test that asks for more mails than people do."""
PURPOSES = {"/auth/verify": VERIFY, "/auth/password/reset": RESET, "/auth/email/confirm": EMAIL}
"""Of the tokens that a call takes."""


def mails(app: Flask, to: str | None = None) -> list[Addressed]:
    """Let the worker answer what was asked; take what lies in the outbox (for `to`) out of it, the oldest first."""
    with app.app_context():
        answer_petitions()
        with database.reading() as connection:
            rows = connection.execute(
                select(OutgoingMail.id, OutgoingMail.sealed).order_by(OutgoingMail.id)
            ).all()
        found = {id_: outbox.opened(sealed) for id_, sealed in rows}
        taken = {id_: mail for id_, mail in found.items() if to in (None, mail.to)}
        with database.writing() as connection:
            connection.execute(delete(OutgoingMail).where(OutgoingMail.id.in_(taken)))
    return list(taken.values())


def subjects(app: Flask, to: str | None = None) -> list[str]:
    return [mail.subject.removesuffix(" - Slugline") for mail in mails(app, to)]


def token_of(mail: Addressed) -> str:
    [token] = re.findall(r"#token=([\w-]+)$", mail.text, re.MULTILINE)
    return str(token)


def sent_token(app: Flask, to: str) -> str:
    """The token of the latest mail that was written to this address."""
    return token_of(mails(app, to)[-1])


def asked(caller: Caller, path: str, **body: Any) -> None:
    """A call that is answered by mail."""
    answer = caller.post(path, json=body)
    assert answer.status_code == 202, answer.text


def issued(caller: Caller, purpose: str, address: str | None = None) -> str:
    """A good token, as if it had been sent to the caller's address or another one."""
    app = caller.client.application
    with app.app_context():
        user = db.session.scalars(select(User).where(User.public_id == caller.id)).one()
        token = one_time.issue(user.id, purpose, address or user.email or "")
        db.session.commit()
    return token
