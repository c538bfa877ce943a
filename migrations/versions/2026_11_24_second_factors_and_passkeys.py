"""Second factors and passkeys

Revision: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

from app.database import BigId, UTCDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Sessions that began before have shown one factor, as far as anybody knows.
    op.add_column("sessions", sa.Column("two_factors", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("sessions", sa.Column("reauthenticated_at", UTCDateTime))
    op.create_table(
        "totps",
        sa.Column("user_id", BigId, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("confirmed_at", UTCDateTime),
        sa.Column("last_step", BigId, nullable=False),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", BigId, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("code_hash", sa.String(64), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "passkeys",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("public_id", sa.String(40), nullable=False),
        sa.Column("user_id", BigId, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("credential_id", sa.LargeBinary, nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", BigId, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("last_used_at", UTCDateTime),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("credential_id"),
    )
    op.create_index("ix_passkeys_user_id_created_at", "passkeys", ["user_id", "created_at"])
    op.create_table(
        "spent_challenges",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("expires_at", UTCDateTime, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_spent_challenges_expires_at", "spent_challenges", ["expires_at"])


def downgrade() -> None:
    for table in ("spent_challenges", "passkeys", "recovery_codes", "totps"):
        op.drop_table(table)
    op.drop_column("sessions", "reauthenticated_at")
    op.drop_column("sessions", "two_factors")
