"""Who still uses what is deprecated: exact counts by call, caller and UTC day, so that an operator knows when removal
is safe. Of a caller nothing is kept but the account's id."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import delete, func, select

from app import clock, database
from app.accounts.models import DeprecatedUse, User
from app.extensions import db

ANONYMOUS = "anonymous"
KEPT = timedelta(days=400)  # a year, and the time to look


@dataclass(frozen=True)
class Use:
    """How often one caller (an account's id, or "anonymous") made one call, and when last."""

    operation: str
    caller: str
    uses: int
    last_at: datetime


def count(operation: str, caller: str) -> None:
    """Count one use, in a short transaction of its own: that of a GET refuses to write.

    Raises SQLAlchemyError or OSError where the database cannot take it.
    """
    now = clock.now()
    with database.writing() as connection:
        connection.execute(
            database.insert_into(DeprecatedUse, connection)
            .values(caller=caller, operation=operation, day=now.date(), uses=1, last_at=now)
            .on_conflict_do_update(
                index_elements=[DeprecatedUse.caller, DeprecatedUse.operation, DeprecatedUse.day],
                set_={"uses": DeprecatedUse.uses + 1, "last_at": now},
            )
        )


def since(day: date) -> list[Use]:
    """The uses from `day` on, those of each call together, the latest first."""
    last_at = func.max(DeprecatedUse.last_at)
    query = (
        select(DeprecatedUse.operation, DeprecatedUse.caller, func.sum(DeprecatedUse.uses), last_at)
        .where(DeprecatedUse.day >= day)
        .group_by(DeprecatedUse.operation, DeprecatedUse.caller)
        .order_by(DeprecatedUse.operation, last_at.desc(), DeprecatedUse.caller)
    )
    with database.reading() as connection:
        return [
            Use(operation, caller, int(uses), last)
            for operation, caller, uses, last in connection.execute(query)
        ]


def forget_user(user_id: int) -> None:
    """Delete what was counted of an account."""
    caller = select(User.public_id).where(User.id == user_id).scalar_subquery()
    db.session.execute(delete(DeprecatedUse).where(DeprecatedUse.caller == caller))


def forget_old() -> None:
    """Delete what was counted more than 400 days ago; the worker calls it."""
    with database.writing() as connection:
        connection.execute(delete(DeprecatedUse).where(DeprecatedUse.day < (clock.now() - KEPT).date()))
