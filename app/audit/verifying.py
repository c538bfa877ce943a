"""Whether each event is what it was when it was sealed, and none is missing: one pass, row by row, of one moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from app import database
from app.audit import chain
from app.audit.chain import EVENT, Chain, ChainBroken, Sealer
from app.audit.models import AuditEvent, AuditSeal, AuditUnsealed

MOST = 20  # faults that are named

_ROWS = 1_000  # read at a time


@dataclass(frozen=True)
class Verdict:
    """What was checked; `head` is the seal of the last event, in hex, for an operator to keep elsewhere."""

    sealed: int
    unsealed: int
    seq: int
    head: str
    wrong: int
    faults: list[str]
    """The first of them."""


def verify(expected: str = "") -> Verdict:
    """Work out each seal again and compare. `expected`: a head that was told before and must be in the chain.

    Nobody waits for it.
    """
    with database.reading() as connection:
        if connection.dialect.name == "postgresql":  # a transaction of SQLite's sees one moment anyway
            connection.execution_options(isolation_level="REPEATABLE READ")
        check = _Check(expected)
        for number, fault in enumerate(check.faults(connection), 1):
            check.wrong = number
            if number <= MOST:
                check.told.append(fault)
        unsealed = int(connection.scalar(select(func.count()).select_from(AuditUnsealed)) or 0)
    return Verdict(check.sealed, unsealed, check.seq, check.hash.hex(), check.wrong, check.told)


class _Check:
    """One pass: how far it has come, and what it has found."""

    def __init__(self, expected: str) -> None:
        self._expected = expected.lower()
        self._sealer = Sealer()
        self.sealed = 0
        self.seq = 0
        self.hash = b""
        self.wrong = 0
        self.told: list[str] = []

    def faults(self, connection: Connection) -> Iterator[str]:
        """Each thing that is not as it should be, in words."""
        try:
            ends = chain.read(connection)
        except ChainBroken as broken:
            yield str(broken)
            ends = None
        self.seq, self.hash = (ends.pruned_seq, ends.pruned_hash) if ends else (0, chain.NOTHING)
        met = self.hash.hex() == self._expected
        for row in _seals(connection):
            yield from self._faults_of(row, known=self.sealed > 0 or ends is not None)
            self.sealed += 1
            self.seq, self.hash = row.seq, row.hash
            met = met or row.hash.hex() == self._expected
        if ends and (self.seq, self.hash) != (ends.sealed_seq, ends.sealed_hash):
            yield _end(self.seq, ends)
        if self._expected and not met:
            yield f"No event has the seal {self._expected}: the chain was cut off before it, or is another one."
        for event in connection.scalars(_LOST):
            yield f"Event {event} is neither sealed nor waiting for its seal."

    def _faults_of(self, row: Any, *, known: bool) -> Iterator[str]:
        """`known`: what the chain has before this row."""
        event = row[3:]
        if known and row.seq != self.seq + 1:
            yield f"Seals {self.seq + 1} to {row.seq - 1} are missing."
        elif row.id is None:
            yield f"The event of seal {row.seq} is gone."
        elif known and self._sealer.seal(self.hash, event) != row.hash:
            yield f"Event {row.public_id} (seal {row.seq}) is not what was sealed."


def _seals(connection: Connection) -> Iterator[Any]:
    query = (
        select(AuditSeal.seq, AuditSeal.event_id, AuditSeal.hash, *EVENT)
        .join_from(AuditSeal, AuditEvent, AuditEvent.id == AuditSeal.event_id, isouter=True)
        .order_by(AuditSeal.seq)
    )
    yield from connection.execute(query, execution_options={"yield_per": _ROWS})


_SEALED = select(AuditSeal.event_id).where(AuditSeal.event_id == AuditEvent.id).exists()
_WAITING = select(AuditUnsealed.event_id).where(AuditUnsealed.event_id == AuditEvent.id).exists()
_LOST = select(AuditEvent.public_id).where(~_SEALED, ~_WAITING).order_by(AuditEvent.id)


def _end(seq: int, ends: Chain) -> str:
    return (
        f"The chain ends with seal {seq}; it should with seal {ends.sealed_seq} ({ends.sealed_hash.hex()})."
    )
