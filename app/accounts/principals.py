"""Who a request speaks for: read fresh on each request, so that an ended session, a disabled user or a changed
role count at once, in every process."""

from dataclasses import dataclass

from sqlalchemy import select

from app import database
from app.accounts import tokens
from app.accounts.models import Session, User
from app.errors import InvalidToken


@dataclass(frozen=True)
class Principal:
    """A verified caller: internal ids for queries, public ones for logs and answers."""

    user_id: int
    user: str
    role: str
    session_id: int
    session: str


def authenticate(token: str) -> Principal:
    """Return whom an access token speaks for. Raises AuthRequired (expired) or InvalidToken.

    Reads through a short connection of its own: no write transaction is open while a view thinks.
    """
    claims = tokens.examine(token, "access")
    query = (
        select(User.id, User.public_id, User.role, Session.id, Session.public_id)
        .join(Session, Session.user_id == User.id)
        .where(
            Session.public_id == claims.session,
            User.public_id == claims.user,
            Session.ended_at.is_(None),
            User.status == "active",
        )
    )
    with database.reading() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise InvalidToken("The session has ended.")
    return Principal(*row)
