"""Sum facets by week

Revision: 0019
Revises: 0018

Nothing is summed here: the worker does it, a little at a time.
"""

import sqlalchemy as sa
from alembic import op

from app.database import BigId

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_TABLES = {"click_facet_weeks": "link_id", "account_facet_weeks": "owner_id"}


def upgrade() -> None:
    for table, subject in _TABLES.items():
        op.create_table(
            table,
            sa.Column(subject, BigId, autoincrement=False, nullable=False),
            sa.Column("week", sa.Date(), nullable=False),
            sa.Column("dimension", sa.String(length=16), nullable=False),
            sa.Column("value", sa.String(length=255), nullable=False),
            sa.Column("clicks", BigId, nullable=False),
            sa.PrimaryKeyConstraint(subject, "week", "dimension", "value", name=op.f(f"pk_{table}")),
            sqlite_with_rowid=False,
        )
    op.create_table(
        "summed_weeks",
        sa.Column("facets", sa.String(length=32), nullable=False),
        sa.Column("subject_id", BigId, nullable=False),
        sa.Column("passed", sa.Date(), nullable=False),
        sa.Column("here", sa.Date(), nullable=False),
        sa.Column("ahead", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("facets", name=op.f("pk_summed_weeks")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("summed_weeks", *_TABLES):
        op.drop_table(table)
