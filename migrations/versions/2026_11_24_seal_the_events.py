"""Seal the events

Revision: 0011
Revises: 0010

Events that were recorded before wait for their seals too.
"""

import sqlalchemy as sa
from alembic import op

from app.database import BigId

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_FILTERS = ("owner", "actor", "subject", "action")
_SQLITE = (
    """
    CREATE TRIGGER audit_event_recorded AFTER INSERT ON audit_events
    BEGIN
        INSERT INTO audit_unsealed (event_id) VALUES (NEW.id);
    END
    """,
    """
    CREATE TRIGGER audit_event_kept BEFORE UPDATE ON audit_events
    BEGIN
        SELECT RAISE(ABORT, 'audit_events is append-only');
    END
    """,
)
_POSTGRESQL = (
    """
    CREATE FUNCTION audit_event_recorded() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO audit_unsealed (event_id) SELECT id FROM recorded;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER audit_event_recorded AFTER INSERT ON audit_events
    REFERENCING NEW TABLE AS recorded FOR EACH STATEMENT EXECUTE FUNCTION audit_event_recorded()
    """,
    """
    CREATE FUNCTION audit_event_kept() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'audit_events is append-only';
    END $$
    """,
    """
    CREATE TRIGGER audit_event_kept BEFORE UPDATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_event_kept()
    """,
)


def upgrade() -> None:
    op.create_table(
        "audit_unsealed",
        sa.Column("event_id", BigId, sa.ForeignKey("audit_events.id"), primary_key=True, autoincrement=False),
    )
    op.create_table(
        "audit_seals",
        sa.Column("seq", BigId, primary_key=True, autoincrement=False),
        sa.Column("event_id", BigId, sa.ForeignKey("audit_events.id"), nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("event_id"),
    )
    op.create_table(
        "audit_chain",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("sealed_seq", BigId, nullable=False),
        sa.Column("sealed_hash", sa.LargeBinary, nullable=False),
        sa.Column("pruned_seq", BigId, nullable=False),
        sa.Column("pruned_hash", sa.LargeBinary, nullable=False),
        sa.Column("logged_seq", BigId, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("id = 1", name="one"),
    )
    op.drop_index("ix_audit_events_owner_id", "audit_events")
    op.drop_index("ix_audit_events_action_id", "audit_events")
    op.create_index("ix_audit_events_at_id", "audit_events", ["at", "id"])
    for column in _FILTERS:
        op.create_index(f"ix_audit_events_{column}_at_id", "audit_events", [column, "at", "id"])
    op.execute("INSERT INTO audit_unsealed (event_id) SELECT id FROM audit_events")
    for statement in _POSTGRESQL if op.get_bind().dialect.name == "postgresql" else _SQLITE:
        op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for name in ("audit_event_recorded", "audit_event_kept"):
            op.execute(f"DROP TRIGGER {name} ON audit_events")
            op.execute(f"DROP FUNCTION {name}()")
    else:
        op.execute("DROP TRIGGER audit_event_recorded")
        op.execute("DROP TRIGGER audit_event_kept")
    for column in _FILTERS:
        op.drop_index(f"ix_audit_events_{column}_at_id", "audit_events")
    op.drop_index("ix_audit_events_at_id", "audit_events")
    op.create_index("ix_audit_events_owner_id", "audit_events", ["owner", "id"])
    op.create_index("ix_audit_events_action_id", "audit_events", ["action", "id"])
    op.drop_table("audit_chain")
    op.drop_table("audit_seals")
    op.drop_table("audit_unsealed")
