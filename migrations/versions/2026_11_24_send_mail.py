"""Send mail

Revision: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

from app.database import BigId, UTCDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nobody has proven an address so far, and who was here before need not.
    op.add_column("users", sa.Column("email_verified_at", UTCDateTime))
    op.add_column(
        "users", sa.Column("awaits_verification", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.create_table(
        "outgoing_mails",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("owner", sa.String(40), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("due_at", UTCDateTime, nullable=False),
        sa.Column("expires_at", UTCDateTime, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
    )
    op.create_index("ix_outgoing_mails_due_at", "outgoing_mails", ["due_at"])
    op.create_index("ix_outgoing_mails_owner", "outgoing_mails", ["owner"])
    op.create_table(
        "one_time_tokens",
        sa.Column("user_id", BigId, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("purpose", sa.String(16), primary_key=True),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("address", sa.String(254), nullable=False),
        sa.Column("expires_at", UTCDateTime, nullable=False),
        sa.CheckConstraint("purpose IN ('verify', 'reset', 'email')", name="purpose"),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_index("ix_one_time_tokens_expires_at", "one_time_tokens", ["expires_at"])
    op.create_table(
        "petitions",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("request_id", sa.String(128)),
        sa.Column("ip_prefix", sa.String(43), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
    )
    op.create_index("ix_petitions_created_at", "petitions", ["created_at"])


def downgrade() -> None:
    for table in ("petitions", "one_time_tokens", "outgoing_mails"):
        op.drop_table(table)
    op.drop_column("users", "awaits_verification")
    op.drop_column("users", "email_verified_at")
