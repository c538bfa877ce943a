"""Version users and store answers

Revision: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

from app.database import BigId, UTCDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("version", sa.Integer, nullable=False, server_default="1"))
    op.create_table(
        "stored_answers",
        sa.Column("user_id", BigId, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
    )
    op.create_index("ix_stored_answers_created_at", "stored_answers", ["created_at"])


def downgrade() -> None:
    op.drop_table("stored_answers")
    op.drop_column("users", "version")
