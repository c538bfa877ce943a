"""Runs the migrations on the application's own engine, whichever that is: ``flask db upgrade``.

Leaves logging alone (`fileConfig` would switch off the application's loggers).
"""

import warnings
from typing import Any

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import SAWarning

from app.database import UTCDateTime
from app.extensions import db

# A migration that waits for a lock stalls everything behind it: give up, and let the operator try again.
LOCK_TIMEOUT = "5s"

# Indexes on expressions stand in migrations alone, not in the models. A migration that makes their table anew on
# SQLite (`batch_alter_table`) must make them anew too.
ON_EXPRESSIONS = {"ix_links_owner_id_title"}
# Written by triggers and read past SQLAlchemy; the triggers on `links` are lost with their table in the same way.
OF_TRIGGERS = {"link_changes"}


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | bool:
    if kind == "type" and isinstance(item, UTCDateTime):
        autogen.imports.add("from app.database import UTCDateTime")
        return "UTCDateTime()"
    return False


def include_object(_object: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
    return not (kind == "index" and name in ON_EXPRESSIONS) and not (kind == "table" and name in OF_TRIGGERS)


def run() -> None:
    # SQLite's cannot be read back, which SQLAlchemy warns of.
    warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based index", SAWarning)
    with db.engine.connect() as connection:
        try:
            run_on(connection)
        finally:
            connection.invalidate()  # with what is set for it, which is not for whoever would get it next


def run_on(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        # An index that is made CONCURRENTLY has no transaction that says itself that it writes.
        connection.execute(text("SET default_transaction_read_only = off"))
        connection.commit()
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        render_item=render_item,
        include_object=include_object,
        compare_type=True,
        # SQLite can alter a table only by making it anew.
        render_as_batch=connection.dialect.name == "sqlite",
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("Slugline's migrations run against a database; there is no --sql mode.")
run()
