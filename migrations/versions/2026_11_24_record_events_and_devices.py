"""Record events and devices

Revision: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

from app.database import BigId, UTCDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("public_id", sa.String(40), nullable=False),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(40)),
        sa.Column("credential", sa.String(40)),
        sa.Column("subject", sa.String(400)),
        sa.Column("owner", sa.String(40)),
        sa.Column("before", sa.JSON),
        sa.Column("after", sa.JSON),
        sa.Column("request_id", sa.String(128)),
        sa.Column("ip_prefix", sa.String(43), nullable=False),
        sa.CheckConstraint("outcome IN ('success', 'failure')", name="outcome"),
        sa.UniqueConstraint("public_id"),
    )
    op.create_index("ix_audit_events_owner_id", "audit_events", ["owner", "id"])
    op.create_index("ix_audit_events_action_id", "audit_events", ["action", "id"])
    op.create_table(
        "known_devices",
        sa.Column("user_id", BigId, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("last_seen_at", UTCDateTime, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_known_devices_last_seen_at", "known_devices", ["last_seen_at"])


def downgrade() -> None:
    op.drop_table("known_devices")
    op.drop_table("audit_events")
