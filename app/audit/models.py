"""What happened, a row for each event; rows are added, never changed."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, BigId, UTCDateTime


class AuditEvent(Base):
    """`actor` did `action` to `subject`. All three are opaque: no name, address or secret stands here."""

    __tablename__ = "audit_events"
    __table_args__ = (
        CheckConstraint("outcome IN ('success', 'failure')", name="outcome"),
        Index(None, "owner", "id"),
        Index(None, "action", "id"),
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
