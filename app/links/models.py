"""Domains, links and tags."""

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.models import User
from app.database import Base, BigId, UTCDateTime, metadata

DEFAULT_DOMAIN_ID = 1


class Domain(Base):
    """A host that short URLs live on. The default one is a row too (host NULL: it is `PUBLIC_URL`'s), so that
    the uniqueness of (domain, code) has no hole."""

    __tablename__ = "domains"
    __table_args__ = (CheckConstraint(f"(host IS NULL) = (id = {DEFAULT_DOMAIN_ID})", name="default_host"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    host: Mapped[str | None] = mapped_column(String(253), unique=True)


class Tag(Base):
    """A label an owner puts on links."""

    __tablename__ = "tags"
    __table_args__ = (UniqueConstraint("owner_id", "name"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    owner_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(50))


link_tags = Table(
    "link_tags",
    metadata,
    Column("link_id", BigId, ForeignKey("links.id"), primary_key=True),
    Column("tag_id", BigId, ForeignKey("tags.id"), primary_key=True, index=True),
)


class Link(Base):
    """A short link. Rows are erased, never deleted: a code once given out stays taken."""

    __tablename__ = "links"
    __table_args__ = (
        UniqueConstraint("domain_id", "code"),
        CheckConstraint("redirect_status IN (301, 302, 307, 308)", name="redirect_status"),
        CheckConstraint("max_clicks > 0", name="max_clicks"),
        CheckConstraint("starts_at < expires_at", name="period"),
        Index(None, "owner_id", "created_at"),
        Index(None, "owner_id", "updated_at"),
        Index(None, "owner_id", "code"),
        Index(None, "deleted_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    domain_id: Mapped[int] = mapped_column(BigId, ForeignKey("domains.id"), default=DEFAULT_DOMAIN_ID)
    code: Mapped[str] = mapped_column(String(64))
    owner_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id"))
    url: Mapped[str] = mapped_column(Text)
    title: Mapped[str | None] = mapped_column(String(255))
    notes: Mapped[str | None] = mapped_column(Text)
    redirect_status: Mapped[int] = mapped_column(SmallInteger, default=302)
    forward_query: Mapped[bool] = mapped_column(default=False)
    enabled: Mapped[bool] = mapped_column(default=True)
    starts_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    max_clicks: Mapped[int | None]
    clicks_used: Mapped[int] = mapped_column(BigId, default=0)
    """Spent from `max_clicks`, exactly; apart from the statistics."""
    password_hash: Mapped[str | None] = mapped_column(Text)
    blocked_reason: Mapped[str | None] = mapped_column(String(255))
    deleted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)
    version: Mapped[int] = mapped_column(default=1)

    owner: Mapped[User] = relationship()
    domain: Mapped[Domain] = relationship()
    tags: Mapped[list[Tag]] = relationship(secondary=link_tags, order_by=Tag.name)

    # The compare-and-swap of two edits at once: the later one gets a StaleDataError, which becomes 409.
    __mapper_args__ = {"version_id_col": version}
