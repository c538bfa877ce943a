"""Sealing what was recorded: the worker puts each committed event into the chain, once, in batches.

What waits stands in a table that a trigger fills in the event's own transaction. A batch takes its events from
there, adds their seals and moves the end of the chain, in one transaction: who is killed in between has done
nothing, and of two workers one goes first.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from app import database
from app.audit import chain
from app.audit.chain import EVENT, Sealer
from app.audit.models import AuditChain, AuditEvent, AuditSeal, AuditUnsealed
from app.audit.pacing import by_little
from app.extensions import db
from app.logs import log

_EVENTS = 500  # of one transaction


def seal() -> None:
    """Seal some of what waits; a chore that comes back soon for the rest. Raises ChainBroken."""
    by_little(_is_waiting, _seal_some)


def reseal() -> None:
    """Have all that is stored sealed anew, with the SECRET_KEY there is now: for an operator, after it was changed or
    something was found. It takes the proof along that nothing had been changed until then."""
    session = db.session()
    session.execute(delete(AuditChain))  # first: whoever seals holds it
    session.execute(delete(AuditSeal))
    session.execute(delete(AuditUnsealed))
    session.execute(insert(AuditUnsealed).from_select(["event_id"], select(AuditEvent.id)))


def _is_waiting() -> bool:
    with database.reading() as connection:
        return connection.scalar(select(AuditUnsealed.event_id).limit(1)) is not None


def _seal_some() -> int:
    """Seal a batch; return how many, none where another worker is at it."""
    with database.writing() as connection:
        held = chain.hold(connection)
        if held is None:
            return 0
        if held.sealed_seq == 0:
            log.warning("a new audit chain begins")
        events = _waiting(connection)
        seals = list(_seals(held, events))
        if seals:
            taken = [seal["event_id"] for seal in seals]
            connection.execute(insert(AuditSeal), seals)
            connection.execute(delete(AuditUnsealed).where(AuditUnsealed.event_id.in_(taken)))
            last = seals[-1]
            chain.move(connection, replace(held, sealed_seq=last["seq"], sealed_hash=last["hash"]))
        return len(seals)


def _waiting(connection: Connection) -> list[Any]:
    ids = select(AuditUnsealed.event_id).order_by(AuditUnsealed.event_id).limit(_EVENTS)
    return list(connection.execute(select(*EVENT).where(AuditEvent.id.in_(ids)).order_by(AuditEvent.id)))


def _seals(held: chain.Chain, events: list[Any]) -> Any:
    sealer, before = Sealer(), held.sealed_hash
    for seq, event in enumerate(events, held.sealed_seq + 1):
        before = sealer.seal(before, event)
        yield {"seq": seq, "event_id": event.id, "hash": before}
