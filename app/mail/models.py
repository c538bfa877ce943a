"""Mails that wait to be sent."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, BigId, UTCDateTime


class OutgoingMail(Base):
    """A mail that was not sent yet; the row goes with it."""

    __tablename__ = "outgoing_mails"
    __table_args__ = (Index(None, "due_at"), Index(None, "owner"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    owner: Mapped[str] = mapped_column(String(40))
    """The public id of the user whom it is about."""
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    """Address and text, encrypted: a mail may hold a one-time token."""
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)
    """When it is tried next; while somebody sends it, when he is taken for dead."""
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    tries: Mapped[int] = mapped_column(default=0)
