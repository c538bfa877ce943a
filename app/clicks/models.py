"""Raw clicks, their roll-ups, and how far each spool file was read.

`link_id` has no foreign key: a bad line must not stop the ingester, and link rows are never deleted.
"""

from datetime import date, datetime

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, BigId, UTCDateTime


class Click(Base):
    """One visit that was answered with a redirect. Holds no full address: a daily hash and a prefix."""

    __tablename__ = "clicks"
    __table_args__ = (Index(None, "link_id", "at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    link_id: Mapped[int] = mapped_column(BigId)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    visitor: Mapped[bytes] = mapped_column(LargeBinary(8))
    address: Mapped[str] = mapped_column(String(43))
    country: Mapped[str] = mapped_column(String(2))
    browser: Mapped[str] = mapped_column(String(64))
    os: Mapped[str] = mapped_column(String(64))
    device: Mapped[str] = mapped_column(String(64))
    bot: Mapped[bool]
    referrer: Mapped[str] = mapped_column(String(255))
    query: Mapped[str] = mapped_column(String(512))


class CountColumns:
    """Clicks in a quarter of an hour, which every time zone's hours and days are made of (ADR 5).

    Clicks = humans + bots; prefetches are counted apart.
    """

    quarter: Mapped[datetime] = mapped_column(UTCDateTime, primary_key=True)
    """The start of the quarter: a multiple of 15 minutes."""
    humans: Mapped[int] = mapped_column(BigId, default=0)
    bots: Mapped[int] = mapped_column(BigId, default=0)
    prefetches: Mapped[int] = mapped_column(BigId, default=0)
    uniques: Mapped[int] = mapped_column(BigId, default=0)
    """Humans whose first click on the link in the UTC day this was."""
    last_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """The latest click in the quarter; NULL while there were only prefetches."""


class HourColumns:
    """Clicks in an hour of a week that is over: what its quarters add up to (ADR 24)."""

    hour: Mapped[datetime] = mapped_column(UTCDateTime, primary_key=True)
    """Its start, by UTC."""
    humans: Mapped[int] = mapped_column(BigId, default=0)
    bots: Mapped[int] = mapped_column(BigId, default=0)
    uniques: Mapped[int] = mapped_column(BigId, default=0)


class ValueColumns:
    """Human clicks by one value of one dimension (referrer, country, ...)."""

    dimension: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[str] = mapped_column(String(255), primary_key=True)
    clicks: Mapped[int] = mapped_column(BigId, default=0)


class FacetColumns(ValueColumns):
    """Those on one UTC day."""

    day: Mapped[date] = mapped_column(primary_key=True, sort_order=-1)


class FacetWeekColumns(ValueColumns):
    """Those in one week of UTC days that is over: what its days add up to (ADR 23)."""

    week: Mapped[date] = mapped_column(primary_key=True, sort_order=-1)
    """Its Monday."""


class ClickCount(CountColumns, Base):
    """The clicks of one link."""

    __tablename__ = "click_counts"
    __table_args__ = {"sqlite_with_rowid": False}

    link_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False, sort_order=-1)


class ClickHour(HourColumns, Base):
    """The clicks of one link."""

    __tablename__ = "click_hours"
    __table_args__ = {"sqlite_with_rowid": False}

    link_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False, sort_order=-1)


class ClickFacet(FacetColumns, Base):
    """The human clicks of one link."""

    __tablename__ = "click_facets"
    __table_args__ = {"sqlite_with_rowid": False}

    link_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False, sort_order=-2)


class ClickFacetWeek(FacetWeekColumns, Base):
    """The human clicks of one link."""

    __tablename__ = "click_facet_weeks"
    __table_args__ = {"sqlite_with_rowid": False}

    link_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False, sort_order=-2)


class AccountCount(CountColumns, Base):
    """The clicks of all links of one account."""

    __tablename__ = "account_counts"
    __table_args__ = {"sqlite_with_rowid": False}

    owner_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False, sort_order=-1)


class AccountHour(HourColumns, Base):
    """The clicks of all links of one account."""

    __tablename__ = "account_hours"
    __table_args__ = {"sqlite_with_rowid": False}

    owner_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False, sort_order=-1)


class AccountFacet(FacetColumns, Base):
    """The human clicks of all links of one account."""

    __tablename__ = "account_facets"
    __table_args__ = {"sqlite_with_rowid": False}

    owner_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False, sort_order=-2)


class AccountFacetWeek(FacetWeekColumns, Base):
    """The human clicks of all links of one account."""

    __tablename__ = "account_facet_weeks"
    __table_args__ = {"sqlite_with_rowid": False}

    owner_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False, sort_order=-2)


class SummedWeeks(Base):
    """Of which weeks a roll-up is summed in its coarse grain, subject by subject in passes (`app.clicks.weeks`): each
    has those before one Monday."""

    __tablename__ = "summed_weeks"
    __table_args__ = {"sqlite_with_rowid": False}

    roll_up: Mapped[str] = mapped_column("facets", String(32), primary_key=True)
    """The table of the fine grain. In the database the column is called after those that were the first."""
    subject_id: Mapped[int] = mapped_column(BigId)
    """The link or account at which the pass stands."""
    passed: Mapped[date]
    """The Monday of subjects with lower ids."""
    here: Mapped[date]
    """That of `subject_id` itself."""
    ahead: Mapped[date]
    """That of subjects with higher ids."""


class DailyVisitor(Base):
    """Who followed a link on one UTC day: what tells a first click from a second. Deleted some days later."""

    __tablename__ = "daily_visitors"
    __table_args__ = {"sqlite_with_rowid": False}

    day: Mapped[date] = mapped_column(primary_key=True)
    link_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    visitor: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    """The 8 bytes of the visitor's hash as a signed number."""


class StatsVersion(Base):
    """What a remembered statistic of an account or its links is compared with (`app.clicks.versions`)."""

    __tablename__ = "stats_versions"
    __table_args__ = {"sqlite_with_rowid": False}

    owner_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    """0 is everybody."""
    version: Mapped[int] = mapped_column(BigId)


class SpoolPosition(Base):
    """How far a spool file was ingested; moves in the same transaction as its rows."""

    __tablename__ = "spool_positions"
    __table_args__ = (Index(None, "finished_at"),)

    file: Mapped[str] = mapped_column(String(80), primary_key=True)
    position: Mapped[int] = mapped_column(BigId, default=0)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class DayKey(Base):
    """The secret that keys one UTC day's visitor hashes; made ahead, deleted after the day."""

    __tablename__ = "day_keys"

    day: Mapped[date] = mapped_column(primary_key=True)
    key: Mapped[bytes] = mapped_column(LargeBinary(32))
