"""Index the sorts of links

Revision: 0006
Revises: 0005

A list of links by code or title read and sorted all links of the account for each page (bench.pages).
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# In the order of code points, as lists compare (app/keyset.py): SQLite's own, on PostgreSQL that of "C". Behind a
# title that many links share, or have none of, comes the id; on SQLite every index ends with it by itself.
_COLUMNS = {
    "sqlite": {"code": "owner_id, code", "title": "owner_id, coalesce(title, '')"},
    "postgresql": {
        "code": 'owner_id, code COLLATE "C"',
        "title": "owner_id, coalesce(title, '') COLLATE \"C\", id",
    },
}


def upgrade() -> None:
    engine = op.get_bind().dialect.name
    # Beside writers: at a million links the indexes take seconds. Outside of a transaction, so it may be left half
    # done and has to bear being done again (a broken index is dropped first).
    how = "CONCURRENTLY" if engine == "postgresql" else ""
    with op.get_context().autocommit_block():
        for name, columns in _COLUMNS[engine].items():
            op.execute(f"DROP INDEX IF EXISTS ix_links_owner_id_{name}")
            op.execute(f"CREATE INDEX {how} ix_links_owner_id_{name} ON links ({columns})")


def downgrade() -> None:
    for name in ("code", "title"):
        op.execute(f"DROP INDEX ix_links_owner_id_{name}")
