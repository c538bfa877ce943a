"""Sum counts by hour

Revision: 0020
Revises: 0019

Nothing is summed here: the worker does it, a little at a time.
"""

import sqlalchemy as sa
from alembic import op

from app.database import BigId, UTCDateTime

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_TABLES = {"click_hours": ("link_id", "click_counts"), "account_hours": ("owner_id", "account_counts")}


def upgrade() -> None:
    for table, (subject, _) in _TABLES.items():
        op.create_table(
            table,
            sa.Column(subject, BigId, autoincrement=False, nullable=False),
            sa.Column("hour", UTCDateTime(), nullable=False),
            *(sa.Column(name, BigId, nullable=False) for name in ("humans", "bots", "uniques")),
            sa.PrimaryKeyConstraint(subject, "hour", name=op.f(f"pk_{table}")),
            sqlite_with_rowid=False,
        )


def downgrade() -> None:
    for table, (_, summed) in _TABLES.items():
        op.drop_table(table)
        # Else a later upgrade would take what it finds summed for there.
        op.execute(f"DELETE FROM summed_weeks WHERE facets = '{summed}'")
