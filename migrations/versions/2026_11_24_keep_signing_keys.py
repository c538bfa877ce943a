"""Keep signing keys

Revision: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

from app.database import UTCDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(40), primary_key=True),
        sa.Column("algorithm", sa.String(8), nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("retired_at", UTCDateTime),
        sa.Column("not_after", UTCDateTime),
        sa.CheckConstraint("algorithm IN ('HS256', 'RS256', 'EdDSA')", name="algorithm"),
    )


def downgrade() -> None:
    op.drop_table("signing_keys")
