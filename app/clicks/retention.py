"""What is forgotten of clicks: rows older than CLICKS_KEPT_DAYS, and who visited a week ago. Roll-ups stay.

A little at a time: the worker does it between two steps of ingest, and SQLite lets one writer in at a time.
"""

import time
from datetime import timedelta
from typing import Any

from flask import current_app
from sqlalchemy import delete, func, select, tuple_

from app import clock, database
from app.clicks.models import Click, DailyVisitor

_ROWS = 1_000  # that one transaction deletes, or one statement looks at
_TRANSACTIONS = 20  # of one call
_TURN = 0.003  # seconds between two transactions, in which other writers get their turn
_VISITORS_KEPT = timedelta(days=7)  # a click that is ingested later than that may count its visitor again


class OldClicks:
    """The clicks older than CLICKS_KEPT_DAYS, and how far this process has looked for those out of their turn."""

    def __init__(self) -> None:
        self._looked = 0  # up to this id, in the present round

    def forget(self) -> None:
        """Delete some of them; a chore that comes back soon for the rest.

        In the order of their keys, which is about that of their times (no index is in the order of time alone):
        each call begins with the first ones, and from the first thousand in which none is old it goes on where the
        call before ended, round and round. So those go too that were stored late, or behind what a host wrote whose
        clock was wrong.
        """
        days = current_app.config["CLICKS_KEPT_DAYS"]
        if not days:
            return
        edge = clock.now() - timedelta(days=days)
        last = 0
        for _ in range(_TRANSACTIONS):
            end, oldest = _clicks_after(last)
            if end is None:
                last = 0
                break
            if oldest < edge:
                with database.writing() as connection:
                    connection.execute(delete(Click).where(Click.id > last, Click.id <= end, Click.at < edge))
                time.sleep(_TURN)
                last = end
            else:
                last = max(end, self._looked)
        self._looked = last


def forget_visitors() -> None:
    """Delete some of the daily visitors of days more than a week ago; comes back soon for the rest."""
    key = (DailyVisitor.day, DailyVisitor.link_id, DailyVisitor.visitor)
    old = select(*key).where(DailyVisitor.day < clock.now().date() - _VISITORS_KEPT)
    for _ in range(_TRANSACTIONS):
        with database.reading() as connection:
            rows = connection.execute(old.order_by(*key).limit(_ROWS)).all()
        if not rows:
            return
        with database.writing() as connection:
            # Up to the last of them: a list of a thousand keys would be a statement of 3,000 parameters.
            connection.execute(delete(DailyVisitor).where(tuple_(*key) <= tuple_(*rows[-1])))
        time.sleep(_TURN)


def _clicks_after(key: int) -> Any:
    """The last id of the next thousand, and the oldest time in them; None where there are no more."""
    rows = select(Click.id, Click.at).where(Click.id > key).order_by(Click.id).limit(_ROWS).subquery().c
    with database.reading() as connection:
        return connection.execute(select(func.max(rows.id), func.min(rows.at))).one()
