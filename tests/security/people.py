"""People at a house, what they ask of it, and what it has recorded of that."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import select, update

from app import clock, database
from app.accounts import sessions
from app.accounts.devices import Device
from app.accounts.models import Session, Totp, User
from app.audit.models import AuditEvent
from app.database import insert_into
from app.extensions import db
from tests.conftest import Caller, sign_up
from tests.issuer import Issuer, lend
from tests.making import set_role
from tests.security.ways import ADMIN, NOBODY, OWNER, PASSES

Event = tuple[str, str, str, str]
"""Action, outcome, actor and owner; the last two as `tests.security.ways` calls them."""


@dataclass(frozen=True)
class Asked:
    """A call that is ready to be made, or the arguments of a command."""

    method: str = "flask"
    path: str = ""
    body: dict[str, Any] | None = None
    wrong: dict[str, Any] | None = None
    """The body with a wrong secret in it."""
    is_good_once: bool = False
    """The secret is wrong when it comes again."""
    by: Caller | None = None
    """Who makes it, where it is not the account's owner in a session of his own."""
    arguments: list[str] = field(default_factory=list)


class Stage:
    """An application with a provider, an admin, and as many people as are needed."""

    def __init__(self, app: Flask, issuer: Issuer) -> None:
        self.app, self.issuer = app, issuer
        lend(app, issuer)
        self.admin = self.person()
        set_role(app, self.admin, "admin")

    def person(self) -> Caller:
        """Somebody new, signed in by password."""
        return sign_up(self.app, "person")

    def begin(self, person: Caller) -> str:
        """Another session of the person; its id."""
        with self.app.app_context():
            user = db.session.scalars(select(User).where(User.public_id == person.id)).one()
            pair = sessions.begin(user, Device("table", "127.0.0.9"), "password")
            db.session.commit()
            return pair.session

    def write(self, model: type, person: Caller, **columns: Any) -> None:
        own = model.id if model is User else model.user_id  # type: ignore[attr-defined]  # of those two
        whose = select(User.id).where(User.public_id == person.id).scalar_subquery()
        with self.app.app_context(), database.writing() as connection:
            connection.execute(update(model).where(own == whose).values(**columns))

    def set_status(self, person: Caller, status: str) -> None:
        self.write(User, person, status=status)
        if status != "active":
            self.write(Session, person, ended_at=clock.now())

    def age(self, person: Caller) -> None:
        """Let the person, and the admin, have shown six minutes ago who it is."""
        self._age(self.admin)
        self._age(person)

    def _age(self, person: Caller) -> None:
        then = clock.now() - timedelta(minutes=6)
        self.write(Session, person, created_at=then, reauthenticated_at=None)

    def halve(self, person: Caller) -> None:
        """Let the account have one-time codes, and its sessions one factor."""
        self.write(Session, person, two_factors=False)
        on = {"confirmed_at": clock.now()}
        with self.app.app_context(), database.writing() as connection:
            number = connection.scalar(select(User.id).where(User.public_id == person.id))
            row = insert_into(Totp, connection).values(user_id=number, secret=b"", last_step=0, **on)
            connection.execute(row.on_conflict_do_update(index_elements=["user_id"], set_=on))

    def send(self, asked: Asked, person: Caller, *, wrong: bool = False) -> str:
        """What the call answers: PASSES, or the reason or code of its refusal."""
        if asked.method == "flask":
            ran = self.app.test_cli_runner().invoke(args=asked.arguments)
            assert ran.exit_code == 0, ran.output
            return PASSES
        body = asked.wrong if wrong else asked.body
        sent = {} if body is None else {"json": body}
        caller = asked.by or person
        answer = caller.call(asked.method, asked.path, headers={"User-Agent": "another"}, **sent)
        if answer.status_code < 300:
            return PASSES
        error = answer.json["error"]
        return str(error.get("reason") or error["code"])

    def latest(self) -> int:
        with self.app.app_context(), database.reading() as connection:
            return connection.scalar(select(AuditEvent.id).order_by(AuditEvent.id.desc()).limit(1)) or 0

    def recorded(self, after: int) -> list[Event]:
        """Each event since. OWNER is the account that was made last."""
        columns = (AuditEvent.action, AuditEvent.outcome, AuditEvent.actor, AuditEvent.owner)
        query = select(*columns).where(AuditEvent.id > after)
        with self.app.app_context(), database.reading() as connection:
            owner = connection.scalar(select(User.public_id).order_by(User.id.desc()).limit(1))
            who = {None: NOBODY, self.admin.id: ADMIN, owner: OWNER}
            rows = connection.execute(query).all()
        return sorted((row.action, row.outcome, *(who.get(i, str(i)) for i in row[2:])) for row in rows)
