"""What is deleted of spools, and when."""

from datetime import timedelta
from pathlib import Path

from flask import current_app
from sqlalchemy import delete, update

from app import clock, database
from app.clicks.ingest import spool_files
from app.clicks.models import SpoolPosition
from app.clicks.quarantine import Quarantine
from app.clicks.spool import TEMPORARY_SUFFIX

_KEPT = timedelta(days=30)
_TEMPORARY_KEPT = timedelta(hours=1)  # a writer needs the name for less than a millisecond


def tidy_spool() -> None:
    """Delete old positions, old quarantine, and the temporary files of writers killed in between.

    A chore of each host's worker: it keeps the positions of files that this host could not delete.
    """
    directory: Path = current_app.config["SPOOL_DIR"]
    now = clock.now()
    _prune_positions(spool_files(directory))
    Quarantine(directory).forget(now - _KEPT)
    for path in directory.glob(f"*{TEMPORARY_SUFFIX}"):
        if path.stat().st_mtime < (now - _TEMPORARY_KEPT).timestamp():
            path.unlink(missing_ok=True)


def _prune_positions(present: list[str]) -> None:
    """Forget finished files, but for those still `present`: without its row one would be read again."""
    now = clock.now()
    finished = SpoolPosition.finished_at.is_not(None)
    with database.writing() as connection:
        connection.execute(
            update(SpoolPosition).where(SpoolPosition.file.in_(present), finished).values(finished_at=now)
        )
        connection.execute(delete(SpoolPosition).where(SpoolPosition.finished_at < now - _KEPT))
