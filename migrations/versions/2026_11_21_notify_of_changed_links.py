"""Notify of changed links

Revision: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# What a redirect depends on. Not `clicks_used`, which each visit of a limited link moves: none of those is kept
# in memory. PostgreSQL only: on SQLite every process sees a commit by itself (app/links/on_sqlite.py).
_CHANGES = (
    "url, redirect_status, forward_query, enabled, starts_at, expires_at, max_clicks, password_hash, "
    "blocked_reason, deleted_at"
)
_STATEMENTS = (
    """
    CREATE FUNCTION notify_of_link() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('slugline_links', NEW.domain_id || ':' || NEW.code);
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION notify_of_domains() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('slugline_links', '');
        RETURN NULL;
    END $$
    """,
    f"""
    CREATE TRIGGER notify_of_link AFTER INSERT OR UPDATE OF {_CHANGES} ON links
    FOR EACH ROW EXECUTE FUNCTION notify_of_link()
    """,
    """
    CREATE TRIGGER notify_of_domains AFTER INSERT OR UPDATE OR DELETE ON domains
    FOR EACH STATEMENT EXECUTE FUNCTION notify_of_domains()
    """,
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for statement in _STATEMENTS:
            op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER notify_of_domains ON domains")
        op.execute("DROP TRIGGER notify_of_link ON links")
        op.execute("DROP FUNCTION notify_of_domains()")
        op.execute("DROP FUNCTION notify_of_link()")
