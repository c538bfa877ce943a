"""What a visit takes from a link: one of its allowed clicks, or a guess at its password."""

from datetime import datetime

from sqlalchemy import text, update

from app import addresses, database
from app.accounts import guesses, passwords
from app.accounts.comparing import WrongPassword
from app.accounts.guesses import Guessed
from app.links.models import Link
from app.links.resolve import Resolved
from app.links.states import State, has_state

# PostgreSQL bounds the wait for each lock, and who is second in line waits for two: his place, then the row.
_BOUND_ALL_WAITS = text("SELECT set_config('statement_timeout', current_setting('lock_timeout'), true)")


def spend(link_id: int, now: datetime) -> bool:
    """Take one click from `max_clicks`, exactly and for good; False where the link cannot be followed (any more).

    One conditional statement, whose condition the database looks at again after it has waited for others: of
    read-then-update, 16 visitors at once got through a limit of 5. Neither `version` nor `updated_at` moves,
    since the owner changed nothing.
    """
    statement = (
        update(Link)
        .where(Link.id == link_id, has_state(State.ACTIVE, now))
        .values(clicks_used=Link.clicks_used + 1)
        .returning(Link.id)
    )
    with database.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(_BOUND_ALL_WAITS)
        return connection.execute(statement).first() is not None


def check_password(link: Resolved, password: str, address: str) -> None:
    """Compare a guess at the link's password; `address` is the visitor's.

    The guess is counted before anything is hashed; a right one gives its count back. Raises RateLimited past
    `GUESSES_LINK`, for the right password too, and WrongPassword.
    """
    tries = [Guessed("GUESSES_LINK", (str(link.id), addresses.counted(address) or "unknown"))]
    counted = guesses.count(tries)
    if not passwords.matches(password, link.password_hash):
        raise WrongPassword(field="password")
    guesses.give_back(counted)
