"""Runs the migrations on the application's own engine, whichever that is: ``flask db upgrade``.

Leaves logging alone (`fileConfig` would switch off the application's loggers).
"""

from typing import Any

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import text

from app.database import UTCDateTime
from app.extensions import db

# A migration that waits for a lock stalls everything behind it: give up, and let the operator try again.
LOCK_TIMEOUT = "5s"


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | bool:
    if kind == "type" and isinstance(item, UTCDateTime):
        autogen.imports.add("from app.database import UTCDateTime")
        return "UTCDateTime()"
    return False


def run() -> None:
    with db.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
            connection.commit()
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            render_item=render_item,
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
