"""Version the statistics of accounts

Revision: 0005
Revises: 0004
"""

import secrets

import sqlalchemy as sa
from alembic import op

from app.database import BigId

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table = op.create_table(
        "stats_versions",
        sa.Column("owner_id", BigId, autoincrement=False, nullable=False),
        sa.Column("version", BigId, nullable=False),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_stats_versions")),
        sqlite_with_rowid=False,
    )
    # Everybody's. Not 0, so that what was remembered of another database, or before a downgrade, does not count here.
    op.bulk_insert(table, [{"owner_id": 0, "version": secrets.randbelow(2**40)}])


def downgrade() -> None:
    op.drop_table("stats_versions")
