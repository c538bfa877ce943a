"""Guesses at secrets, counted in the database before anything is compared: exact over processes and restarts.

A window begins with its first guess. A success gives its own count back; past the limit even the right answer
is refused (ASVS 5.0 6.3.1).
"""

import hashlib
import hmac
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import current_app
from limits import parse
from prometheus_client import Counter
from sqlalchemy import Connection, case, delete, func, select

from app import clock, database
from app.accounts.models import Guess
from app.database import Insert
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

    Raises RateLimited where some are used up, with the seconds until all of them are open again.
    """
    wanted = {guess.key: guess for guess in guesses if current_app.config[guess.rates]}
    if not wanted:
        return {}
    with database.writing() as connection:
        counted = _count(connection, wanted)
        if refused := wanted.keys() - counted.keys():
            for key in refused:
                REFUSED.labels(wanted[key].rates).inc()
            raise RateLimited(_wait(connection, refused), "Too many tries; wait before the next.")
    return counted


def has_room(guess: Guessed, within: Connection) -> bool:
    """Count one in the transaction of `within`, where there is room for one; for what is no secret."""
    return not current_app.config[guess.rates] or bool(_count(within, {guess.key: guess}))


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
    for key in sorted(guess.key for guess in guesses):  # one by one: in the order in which they are counted
        db.session.execute(delete(Guess).where(Guess.key == key))


def give_back(counted: Counted, within: Connection | None = None) -> None:
    """Take back the counts of a guess that was right, in the transaction of `within` or in one of its own.

    Each from the window it was counted in: a right guess that ends in the next one must not free a wrong one.
    """
    if not counted:
        return
    with nullcontext(within) if within else database.writing() as connection:
        # An upsert, since an UPDATE would lock several rows in an order of its own.
        insertion = database.insert_into(Guess, connection)
        own = (Guess.resets_at == insertion.excluded.resets_at) & (Guess.count > 0)
        values = {"count": Guess.count - 1}
        statement = insertion.on_conflict_do_update(index_elements=[Guess.key], set_=values, where=own)
        _execute(connection, statement, 0, counted)


def forget_expired() -> None:
    """Delete the windows that have ended; the worker calls it."""
    # Past those that are begun anew at this moment: whoever does that may want another one that is held here.
    ended = select(Guess.key).where(Guess.resets_at <= clock.now()).with_for_update(skip_locked=True)
    with database.writing() as connection:
        connection.execute(delete(Guess).where(Guess.key.in_(ended)))


def _count(connection: Connection, wanted: Mapping[str, Guessed]) -> Counted:
    """Count one on each of these, by key, that is not used up; return those."""
    now = clock.now()
    rates = {key: parse(current_app.config[guess.rates]) for key, guess in wanted.items()}
    windows = {key: now + timedelta(seconds=rate.get_expiry()) for key, rate in rates.items()}
    insertion = database.insert_into(Guess, connection)
    ended = Guess.resets_at <= now
    most = case({key: rate.amount for key, rate in rates.items()}, value=Guess.key)
    statement = insertion.on_conflict_do_update(
        index_elements=[Guess.key],
        set_={
            "count": case((ended, 1), else_=Guess.count + 1),
            "resets_at": case((ended, insertion.excluded.resets_at), else_=Guess.resets_at),
        },
        where=ended | (Guess.count < most),
    )
    return _execute(connection, statement, 1, windows)


def _execute(connection: Connection, upsert: Insert, count: int, windows: Counted) -> Counted:
    """Add these windows with `count`, or change those that are there; return what was added or changed."""
    # In one order for everybody, or two calls could wait for each other.
    rows = [{"key": key, "count": count, "resets_at": windows[key]} for key in sorted(windows)]
    # RETURNING: what makes SQLAlchemy send many rows in a statement on both engines.
    found = connection.execute(upsert.returning(Guess.key, Guess.resets_at), rows)
    return {row.key: row.resets_at for row in found}


def _wait(connection: Connection, keys: Collection[str]) -> int:
    """Seconds until all of them are open again."""
    resets_at = connection.scalar(select(func.max(Guess.resets_at)).where(Guess.key.in_(keys)))
    return max(1, math.ceil((resets_at - clock.now()).total_seconds())) if resets_at else 1
