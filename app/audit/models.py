"""What happened, a row for each event; rows are added, never changed. And the seals that tell if one was."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, BigId, UTCDateTime


class AuditEvent(Base):
    """`actor` did `action` to `subject`. All three are opaque: no name, address or secret stands here.

    A trigger refuses to change a row; one that is sealed cannot be deleted before its seal.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        CheckConstraint("outcome IN ('success', 'failure')", name="outcome"),
        Index(None, "at", "id"),
        Index(None, "owner", "at", "id"),
        Index(None, "actor", "at", "id"),
        Index(None, "subject", "at", "id"),
        Index(None, "action", "at", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    action: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str | None] = mapped_column(String(40))
    """A user's public id, `operator` (the command line) or `system`; None for somebody unknown."""
    credential: Mapped[str | None] = mapped_column(String(40))
    """The public id of the session or API key that the actor used."""
    subject: Mapped[str | None] = mapped_column(String(400))
    """What it was done to: a public id, or `<host>/<code>` of a link."""
    owner: Mapped[str | None] = mapped_column(String(40))
    """The public id of the user whose affair it is, who may read it."""
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    request_id: Mapped[str | None] = mapped_column(String(128))
    ip_prefix: Mapped[str] = mapped_column(String(43))


class AuditUnsealed(Base):
    """An event that waits for its seal. A trigger adds it with the event: rows are committed in another order than
    that of their ids, so that no id tells what is still to be sealed."""

    __tablename__ = "audit_unsealed"

    event_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("audit_events.id"), primary_key=True, autoincrement=False
    )


class AuditSeal(Base):
    """A link of the chain: the `seq`th event, and a keyed hash over it and all before it (`app.audit.chain`)."""

    __tablename__ = "audit_seals"

    seq: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(BigId, ForeignKey("audit_events.id"), unique=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditChain(Base):
    """Where the chain begins and ends, in one row, which nobody without the key can write."""

    __tablename__ = "audit_chain"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    sealed_seq: Mapped[int] = mapped_column(BigId)
    sealed_hash: Mapped[bytes] = mapped_column(LargeBinary)
    """Of the last event."""
    pruned_seq: Mapped[int] = mapped_column(BigId)
    pruned_hash: Mapped[bytes] = mapped_column(LargeBinary)
    """Of the last event that was deleted for its age; 0 before there is one."""
    logged_seq: Mapped[int] = mapped_column(BigId)
    """Up to here the security log has been written."""
    mac: Mapped[bytes] = mapped_column(LargeBinary)
