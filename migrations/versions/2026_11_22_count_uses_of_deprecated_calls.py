"""Count uses of deprecated calls

Revision: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

from app.database import BigId, UTCDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deprecated_uses",
        sa.Column("caller", sa.String(length=40), nullable=False),
        sa.Column("operation", sa.String(length=200), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("uses", BigId, nullable=False),
        sa.Column("last_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("caller", "operation", "day", name=op.f("pk_deprecated_uses")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_deprecated_uses_day"), "deprecated_uses", ["day"])


def downgrade() -> None:
    op.drop_table("deprecated_uses")
