"""Number the changes of links

Revision: 0008
Revises: 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# SQLite only: one row that is another after each change of what a redirect depends on, so that the commits of
# others (the ingester's, a hundred a second) end nobody's trust in the links in memory (app/links/on_sqlite.py).
# PostgreSQL notifies of the same changes (0003).
_CHANGES = (
    "url, redirect_status, forward_query, enabled, starts_at, expires_at, max_clicks, password_hash, "
    "blocked_reason, deleted_at"
)
_EVENTS = {
    "link_made": "INSERT ON links",
    "link_changed": f"UPDATE OF {_CHANGES} ON links",
    "domain_made": "INSERT ON domains",
    "domain_changed": "UPDATE ON domains",
    "domain_removed": "DELETE ON domains",
}


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    op.execute("CREATE TABLE link_changes (number INTEGER NOT NULL)")
    op.execute("INSERT INTO link_changes VALUES (random())")
    for name, event in _EVENTS.items():
        # By chance, not by one: a database that was put back does not come to the same numbers again.
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} BEGIN UPDATE link_changes SET number = random(); END"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    for name in _EVENTS:
        op.execute(f"DROP TRIGGER {name}")
    op.execute("DROP TABLE link_changes")
