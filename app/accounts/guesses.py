"""Guesses at secrets, counted in the database before anything is compared: exact over processes and restarts.

A window begins with its first guess. A success gives its own count back; past the limit even the right answer
is refused (ASVS 5.0 6.3.1).
"""

import hashlib
import hmac
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import current_app
from limits import parse
from prometheus_client import Counter
from sqlalchemy import Connection, case, delete, select, update

from app import clock, database
from app.accounts.models import Guess
from app.errors import RateLimited, Unavailable
from app.extensions import db

REFUSED = Counter(
    "slugline_refused_guesses", "Guesses refused uncompared, by the setting that bounds them", ["rates"]
)

Counted = dict[str, datetime]
"""Guesses that were counted: the end of the window of each, by key."""


@dataclass(frozen=True)
class Guessed:
    """What is guessed at, and by whom: `rates` names the setting, `parts` say which account, link or address."""

    rates: str
    parts: tuple[str, ...]

    @property
    def key(self) -> str:
        text = "\0".join((self.rates, *self.parts)).encode()
        return hmac.new(current_app.config["SECRET_KEY"].encode(), text, hashlib.sha256).hexdigest()


def count(guesses: Sequence[Guessed]) -> Counted:
    """Count one guess on each, all or none, in a short transaction of its own; return what `give_back` takes.

    Raises RateLimited where one of them is used up, with the seconds until it opens again.
    """
    now = clock.now()
    # One order for everybody, or two guesses could wait for each other.
    wanted = sorted(
        (guess for guess in guesses if current_app.config[guess.rates]), key=lambda guess: guess.key
    )
    counted: Counted = {}
    with database.writing() as connection:
        for guess in wanted:
            resets_at = _count(connection, guess, now)
            if resets_at is None:
                REFUSED.labels(guess.rates).inc()
                raise RateLimited(_wait(connection, guess, now), "Too many tries; wait before the next.")
            counted[guess.key] = resets_at
    return counted


def has_room(guess: Guessed, within: Connection) -> bool:
    """Count one in the transaction of `within`, where there is room for one; for what is no secret."""
    return not current_app.config[guess.rates] or _count(within, guess, clock.now()) is not None


@contextmanager
def counting(guesses: Sequence[Guessed]) -> Iterator[None]:
    """Count a guess that is compared within; give it back where it is right, and where nothing was compared because
    too many others were at it. Raises RateLimited as `count` does."""
    counted = count(guesses)
    with kept_unless_busy(counted):
        yield
    give_back(counted)


@contextmanager
def kept_unless_busy(counted: Counted) -> Iterator[None]:
    """Give a counted guess back where it was never compared (503): a rush is no reason to lock anybody out."""
    try:
        yield
    except Unavailable:
        give_back(counted)
        raise


def forget(guesses: Sequence[Guessed]) -> None:
    """Begin these counts anew, in the session's transaction."""
    keys = [guess.key for guess in guesses]
    db.session.execute(delete(Guess).where(Guess.key.in_(keys)))


def give_back(counted: Counted, within: Connection | None = None) -> None:
    """Take back the counts of a guess that was right, in the transaction of `within` or in one of its own.

    Each from the window it was counted in: a right guess that ends in the next one must not free a wrong one.
    """
    with nullcontext(within) if within else database.writing() as connection:
        for key, resets_at in counted.items():
            own = (Guess.key == key) & (Guess.resets_at == resets_at) & (Guess.count > 0)
            connection.execute(update(Guess).where(own).values(count=Guess.count - 1))


def forget_expired() -> None:
    """Delete the windows that have ended; the worker calls it."""
    with database.writing() as connection:
        connection.execute(delete(Guess).where(Guess.resets_at <= clock.now()))


def _count(connection: Connection, guess: Guessed, now: datetime) -> datetime | None:
    """Count one guess; return when its window ends, or None where it is used up."""
    rate = parse(current_app.config[guess.rates])
    resets_at = now + timedelta(seconds=rate.get_expiry())
    ended = Guess.resets_at <= now
    statement = (
        database.insert_into(Guess, connection)
        .values(key=guess.key, count=1, resets_at=resets_at)
        .on_conflict_do_update(
            index_elements=[Guess.key],
            set_={
                "count": case((ended, 1), else_=Guess.count + 1),
                "resets_at": case((ended, resets_at), else_=Guess.resets_at),
            },
            where=ended | (Guess.count < rate.amount),
        )
        .returning(Guess.resets_at)
    )
    return connection.scalar(statement)


def _wait(connection: Connection, guess: Guessed, now: datetime) -> int:
    resets_at = connection.scalar(select(Guess.resets_at).where(Guess.key == guess.key))
    return math.ceil((resets_at - now).total_seconds()) if resets_at else 1
