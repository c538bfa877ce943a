"""Count unique visitors and whole accounts, by quarters of an hour

Revision: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

from app.database import BigId, UTCDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# The first human click of each visitor on a link in a UTC day, counted in the hour that it falls into: so far the
# roll-ups are of hours.
_FIRST_CLICKS = """
    CREATE TEMPORARY TABLE firsts AS
    SELECT link_id, {hour} AS quarter, count(*) AS uniques FROM (
        SELECT link_id, min(at) AS first FROM clicks WHERE NOT bot GROUP BY link_id, visitor, {day}
    ) AS first_clicks GROUP BY link_id, {hour}
"""
_UNIQUES = """
    UPDATE click_counts SET uniques = firsts.uniques FROM firsts
    WHERE firsts.link_id = click_counts.link_id AND firsts.quarter = click_counts.quarter
"""
_SPELLINGS = {
    "sqlite": {"day": "date(at)", "hour": "strftime('%Y-%m-%d %H:00:00.000000', first)"},
    "postgresql": {"day": "date_trunc('day', at, 'UTC')", "hour": "date_trunc('hour', first, 'UTC')"},
}

# Roll-ups lie in the order of their keys, so that a range of one link's is read from a few pages and not from one for
# each row: a quarter of the time at 10 million clicks (bench.stats).
_ROLL_UPS = ("click_counts", "click_facets")
_IN_ORDER = {"sqlite_with_rowid": False}
_COUNTS = {"click_counts": "link_id", "account_counts": "owner_id"}


def upgrade() -> None:
    op.execute("ALTER TABLE click_counts RENAME COLUMN hour TO quarter")
    op.add_column("click_counts", sa.Column("uniques", BigId, nullable=False, server_default="0"))
    op.execute(_FIRST_CLICKS.format(**_SPELLINGS[op.get_bind().dialect.name]))
    op.execute(_UNIQUES)
    op.execute("DROP TABLE firsts")
    with op.batch_alter_table("click_counts") as table:
        table.alter_column("uniques", server_default=None)
    _rebuild(with_rowid=False)
    op.create_table(
        "daily_visitors",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("link_id", BigId, autoincrement=False, nullable=False),
        sa.Column("visitor", BigId, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("day", "link_id", "visitor", name=op.f("pk_daily_visitors")),
        **_IN_ORDER,
    )
    op.create_table(
        "account_counts",
        sa.Column("owner_id", BigId, autoincrement=False, nullable=False),
        sa.Column("quarter", UTCDateTime(), nullable=False),
        sa.Column("humans", BigId, nullable=False),
        sa.Column("bots", BigId, nullable=False),
        sa.Column("prefetches", BigId, nullable=False),
        sa.Column("uniques", BigId, nullable=False),
        sa.Column("last_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("owner_id", "quarter", name=op.f("pk_account_counts")),
        **_IN_ORDER,
    )
    op.create_table(
        "account_facets",
        sa.Column("owner_id", BigId, autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("dimension", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.Column("clicks", BigId, nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "day", "dimension", "value", name=op.f("pk_account_facets")),
        **_IN_ORDER,
    )
    op.execute(
        "INSERT INTO account_counts (owner_id, quarter, humans, bots, prefetches, uniques, last_at) "
        "SELECT owner_id, quarter, sum(humans), sum(bots), sum(prefetches), sum(uniques), max(last_at) "
        "FROM click_counts JOIN links ON links.id = click_counts.link_id GROUP BY owner_id, quarter"
    )
    op.execute(
        "INSERT INTO account_facets (owner_id, day, dimension, value, clicks) "
        "SELECT owner_id, day, dimension, value, sum(clicks) "
        "FROM click_facets JOIN links ON links.id = click_facets.link_id GROUP BY owner_id, day, dimension, value"
    )
    if op.get_bind().dialect.name == "postgresql":
        for name, key in _COUNTS.items():
            _replace_key(name, f"{key}, quarter", "INCLUDE (humans, bots, uniques)")


def downgrade() -> None:
    op.drop_table("account_facets")
    op.drop_table("account_counts")
    op.drop_table("daily_visitors")
    if op.get_bind().dialect.name == "postgresql":
        _replace_key("click_counts", "link_id, quarter")
    _rebuild(with_rowid=True)
    op.drop_column("click_counts", "uniques")
    op.execute("ALTER TABLE click_counts RENAME COLUMN quarter TO hour")


def _rebuild(*, with_rowid: bool) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name in _ROLL_UPS:
            with op.batch_alter_table(
                name, recreate="always", table_kwargs={"sqlite_with_rowid": with_rowid}
            ):
                pass


def _replace_key(table: str, columns: str, included: str = "") -> None:
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT pk_{table}")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({columns}) {included}")
