"""Create the first tables

Revision: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

from app.database import BigId, UTCDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "click_counts",
        sa.Column("link_id", BigId, autoincrement=False, nullable=False),
        sa.Column("hour", UTCDateTime(), nullable=False),
        sa.Column("humans", BigId, nullable=False),
        sa.Column("bots", BigId, nullable=False),
        sa.Column("prefetches", BigId, nullable=False),
        sa.Column("last_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("link_id", "hour", name=op.f("pk_click_counts")),
    )
    op.create_table(
        "click_facets",
        sa.Column("link_id", BigId, autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("dimension", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.Column("clicks", BigId, nullable=False),
        sa.PrimaryKeyConstraint("link_id", "day", "dimension", "value", name=op.f("pk_click_facets")),
    )
    op.create_table(
        "clicks",
        sa.Column("id", BigId, nullable=False),
        sa.Column("link_id", BigId, nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("visitor", sa.LargeBinary(length=8), nullable=False),
        sa.Column("address", sa.String(length=43), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=False),
        sa.Column("os", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("bot", sa.Boolean(), nullable=False),
        sa.Column("referrer", sa.String(length=255), nullable=False),
        sa.Column("query", sa.String(length=512), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clicks")),
    )
    op.create_index(op.f("ix_clicks_link_id_at"), "clicks", ["link_id", "at"])
    op.create_table(
        "day_keys",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_day_keys")),
    )
    domains = op.create_table(
        "domains",
        sa.Column("id", BigId, nullable=False),
        sa.Column("host", sa.String(length=253), nullable=True),
        sa.CheckConstraint("(host IS NULL) = (id = 1)", name=op.f("ck_domains_default_host")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domains")),
        sa.UniqueConstraint("host", name=op.f("uq_domains_host")),
    )
    op.create_table(
        "guesses",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("resets_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_guesses")),
    )
    op.create_index(op.f("ix_guesses_resets_at"), "guesses", ["resets_at"])
    op.create_table(
        "spool_positions",
        sa.Column("file", sa.String(length=80), nullable=False),
        sa.Column("position", BigId, nullable=False),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("file", name=op.f("pk_spool_positions")),
    )
    op.create_index(op.f("ix_spool_positions_finished_at"), "spool_positions", ["finished_at"])
    op.create_table(
        "users",
        sa.Column("id", BigId, nullable=False),
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("email_key", sa.String(length=254), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("role IN ('user', 'manager', 'admin')", name=op.f("ck_users_role")),
        sa.CheckConstraint("status IN ('active', 'disabled', 'closed')", name=op.f("ck_users_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email_key", name=op.f("uq_users_email_key")),
        sa.UniqueConstraint("public_id", name=op.f("uq_users_public_id")),
    )
    op.create_table(
        "links",
        sa.Column("id", BigId, nullable=False),
        sa.Column("domain_id", BigId, nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("owner_id", BigId, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("redirect_status", sa.SmallInteger(), nullable=False),
        sa.Column("forward_query", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("starts_at", UTCDateTime(), nullable=True),
        sa.Column("expires_at", UTCDateTime(), nullable=True),
        sa.Column("max_clicks", sa.Integer(), nullable=True),
        sa.Column("clicks_used", BigId, nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("blocked_reason", sa.String(length=255), nullable=True),
        sa.Column("deleted_at", UTCDateTime(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("max_clicks > 0", name=op.f("ck_links_max_clicks")),
        sa.CheckConstraint("redirect_status IN (301, 302, 307, 308)", name=op.f("ck_links_redirect_status")),
        sa.CheckConstraint("starts_at < expires_at", name=op.f("ck_links_period")),
        sa.ForeignKeyConstraint(["domain_id"], ["domains.id"], name=op.f("fk_links_domain_id_domains")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_links_owner_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
        sa.UniqueConstraint("domain_id", "code", name=op.f("uq_links_domain_id_code")),
    )
    op.create_index(op.f("ix_links_deleted_at"), "links", ["deleted_at"])
    op.create_index(op.f("ix_links_owner_id_created_at"), "links", ["owner_id", "created_at"])
    op.create_index(op.f("ix_links_owner_id_updated_at"), "links", ["owner_id", "updated_at"])
    op.create_table(
        "sessions",
        sa.Column("id", BigId, nullable=False),
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("user_id", BigId, nullable=False),
        sa.Column("refresh_jti", sa.String(length=40), nullable=False),
        sa.Column("user_agent", sa.String(length=255), nullable=False),
        sa.Column("ip_prefix", sa.String(length=43), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("last_used_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("public_id", name=op.f("uq_sessions_public_id")),
    )
    op.create_index(op.f("ix_sessions_ended_at"), "sessions", ["ended_at"])
    op.create_index(op.f("ix_sessions_user_id_created_at"), "sessions", ["user_id", "created_at"])
    op.create_table(
        "tags",
        sa.Column("id", BigId, nullable=False),
        sa.Column("owner_id", BigId, nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_tags_owner_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tags")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_tags_owner_id_name")),
    )
    op.create_table(
        "link_tags",
        sa.Column("link_id", BigId, nullable=False),
        sa.Column("tag_id", BigId, nullable=False),
        sa.ForeignKeyConstraint(["link_id"], ["links.id"], name=op.f("fk_link_tags_link_id_links")),
        sa.ForeignKeyConstraint(["tag_id"], ["tags.id"], name=op.f("fk_link_tags_tag_id_tags")),
        sa.PrimaryKeyConstraint("link_id", "tag_id", name=op.f("pk_link_tags")),
    )
    op.create_index(op.f("ix_link_tags_tag_id"), "link_tags", ["tag_id"])
    # The default domain is a row (its host is PUBLIC_URL's), so that (domain, code) has no NULL hole.
    # Its id, 1, is the first that the engine gives out: one that we chose would be given out a second time.
    op.bulk_insert(domains, [{"host": None}])


def downgrade() -> None:
    op.drop_table("link_tags")
    op.drop_table("tags")
    op.drop_table("sessions")
    op.drop_table("links")
    op.drop_table("users")
    op.drop_table("spool_positions")
    op.drop_table("guesses")
    op.drop_table("domains")
    op.drop_table("day_keys")
    op.drop_table("clicks")
    op.drop_table("click_facets")
    op.drop_table("click_counts")
