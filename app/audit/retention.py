"""What is forgotten of events: those older than AUDIT_KEPT_DAYS, from the beginning of the chain on.

A little at a time, as clicks are. What is left can be verified: the chain then begins behind the seal of the last
one that was deleted. An event is checked before it goes, so that no fault is deleted unseen.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from flask import current_app
from sqlalchemy import Connection, delete, select

from app import clock, database
from app.audit import chain
from app.audit.chain import EVENT, Chain, ChainBroken, Sealer
from app.audit.models import AuditEvent, AuditSeal
from app.audit.pacing import by_little

_ROWS = 500  # of one transaction


def forget_events() -> None:
    """Delete some of the events that are too old; a chore that comes back soon for the rest. Raises ChainBroken."""
    days = current_app.config["AUDIT_KEPT_DAYS"]
    if not days:
        return
    edge = clock.now() - timedelta(days=days)
    by_little(lambda: _is_old(edge), lambda: _forget_some(edge))


def _is_old(edge: datetime) -> bool:
    """Whether the first event of the chain is."""
    first = select(AuditEvent.at).join(AuditSeal, AuditSeal.event_id == AuditEvent.id)
    with database.reading() as connection:
        at = connection.scalar(first.order_by(AuditSeal.seq).limit(1))
    return at is not None and at < edge


def _forget_some(edge: datetime) -> int:
    with database.writing() as connection:
        held = chain.hold(connection)
        if held is None:
            return 0
        old = list(takewhile(lambda row: row.at < edge, _first(connection)))
        if old:
            _check(held, old)
            last = old[-1]
            connection.execute(delete(AuditSeal).where(AuditSeal.seq <= last.seq))
            connection.execute(delete(AuditEvent).where(AuditEvent.id.in_([row.id for row in old])))
            chain.move(connection, replace(held, pruned_seq=last.seq, pruned_hash=last.hash))
        return len(old)


def _first(connection: Connection) -> list[Any]:
    query = select(AuditSeal.seq, AuditSeal.hash, *EVENT).join(
        AuditEvent, AuditEvent.id == AuditSeal.event_id
    )
    return list(connection.execute(query.order_by(AuditSeal.seq).limit(_ROWS)))


def _check(held: Chain, rows: list[Any]) -> None:
    sealer, before = Sealer(), held.pruned_hash
    for seq, row in enumerate(rows, held.pruned_seq + 1):
        if row.seq != seq or sealer.seal(before, row[2:]) != row.hash:
            raise ChainBroken(f"Event {row.public_id} (seal {row.seq}) is not what was sealed; it stays.")
        before = row.hash
