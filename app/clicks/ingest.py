"""From spool files to the database, each line exactly once.

The position in a file moves in the transaction that stores its lines, from the value this reader started at:
a crash before the commit repeats the batch, a crash after it does not, and of two readers one rolls back. A
file is finished when its writer is gone and it was read to its end; then it is deleted, and its position row,
which says so, outlives it in case the deletion failed.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from app import clock, database
from app.clicks import metrics
from app.clicks.accounting import Accounting, Entry
from app.clicks.batch import Batch, batch_of
from app.clicks.bulk import keep_pages
from app.clicks.checkpoints import Checkpoints
from app.clicks.countries import CountryOf
from app.clicks.owners import OwnersChanged
from app.clicks.pace import Paces
from app.clicks.pieces import Piece, read_piece
from app.clicks.quarantine import Quarantine
from app.clicks.spool import SUFFIX
from app.clicks.store import Position, PositionMoved, move_position, position_of, store
from app.extensions import db
from app.logs import log


class AlreadyRunning(Exception):
    """Another ingester has this directory."""


@dataclass(frozen=True, slots=True)
class Work:
    """A piece of a file, worked out."""

    name: str
    piece: Piece
    entry: Entry


class Ingester:
    """The one reader of a spool directory. A context manager: entering takes the directory's lock.

    Needs an application context.
    """

    def __init__(self, directory: Path, country_of: CountryOf) -> None:
        self._directory = directory
        self._country_of = country_of
        self._quarantine = Quarantine(directory)
        self._accounting = Accounting()
        self._checkpoints = Checkpoints()
        self._positions: dict[str, Position] = {}
        self._paces = Paces(db.engine.dialect.name)
        self._pace = self._paces.present
        self._smaller: dict[str, int] = {}
        self._unreadable: set[str] = set()
        self._ahead: Work | None = None
        self._lock = -1

    def __enter__(self) -> "Ingester":
        """Raises AlreadyRunning while another one holds the directory."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(self._directory / ".ingest.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise AlreadyRunning(str(self._directory)) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._lock)

    @property
    def pause(self) -> float:
        """Seconds to leave to other writers before the next batch."""
        return self._pace.pause

    def step(self) -> Iterator[int]:
        """Take at most one batch of each file, oldest first; yield the number of lines after each.

        An iterator, so that the caller can let other writers have their turn between two transactions. Raises
        SQLAlchemyError when the database does not answer; nothing is lost by it, the next step tries again.
        """
        names = spool_files(self._directory)
        self._positions = {name: self._positions[name] for name in names if name in self._positions}
        for name, upcoming in zip(names, names[1:] + names[:1], strict=True):
            try:
                yield self._advance(name, upcoming)
                self._unreadable.discard(name)
                self._checkpoints.catch_up()
            except OSError as error:  # this file cannot be read or deleted; the others can
                if name not in self._unreadable:
                    self._unreadable.add(name)
                    log.error("spool file cannot be read or deleted", file=name, error=str(error))
        self._checkpoints.catch_up()

    def _advance(self, name: str, upcoming: str) -> int:
        """Store the next piece of one file, delete the file after its last one, return the lines taken."""
        position = self._position(name)
        taken = 0
        if not position.finished:
            self._pace = self._paces.present
            work = self._work(name, position.offset)
            piece = work.piece
            if piece.lines or piece.last:
                position = self._positions[name] = self._store(work, upcoming)
                taken = len(piece.lines)
        if position.finished:
            (self._directory / name).unlink(missing_ok=True)
        return taken

    def _position(self, name: str) -> Position:
        if name not in self._positions:
            with database.reading() as connection:
                self._positions[name] = position_of(connection, name)
        return self._positions[name]

    def _read(self, name: str, start: int) -> Piece:
        fd = os.open(self._directory / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return read_piece(fd, start, self._smaller.get(name, self._pace.lines))
        finally:
            os.close(fd)

    def _work(self, name: str, start: int) -> Work:
        """The next piece of a file, which may have been worked out already."""
        ahead, self._ahead = self._ahead, None
        if ahead and (ahead.name, ahead.piece.start) == (name, start):
            return ahead
        piece = self._read(name, start)
        return Work(name, piece, self._accounting.enter(batch_of(piece.lines, self._country_of)))

    def _look_ahead(self, work: Work, upcoming: str) -> None:
        """Work the upcoming piece out, while the database stores this one. What fails is tried in its own turn."""
        with suppress(OSError, SQLAlchemyError):
            start = work.piece.end if upcoming == work.name else self._position(upcoming).offset
            ahead = self._work(upcoming, start)
            self._ahead = ahead if ahead.piece.lines else None

    def _store(self, work: Work, upcoming: str) -> Position:
        """Store one piece; return the position afterwards."""
        name, piece = work.name, work.piece
        try:
            self._commit(work, upcoming)
        except database.GaveWay:  # once: what follows at the other pace does not
            self._pace = self._paces.gave_way()
            return Position(piece.start, finished=False)
        except OwnersChanged as changed:  # or this process has just begun to remember them
            self._accounting.forget_owners(changed.number)
            return self._store(self._work(name, piece.start), upcoming)
        except PositionMoved:
            # By another ingester, or by this one: a commit that got no answer may have happened.
            log.warning("spool lines were stored before", file=name, position=piece.start)
            del self._positions[name]
            return self._position(name)
        except (DataError, IntegrityError) as error:
            return self._isolate(name, piece, error)
        self._smaller.pop(name, None)
        _count(work.entry.batch, piece)
        return Position(piece.end, piece.last)

    def _commit(self, work: Work, upcoming: str) -> None:
        name, piece, entry = work.name, work.piece, work.entry
        with database.writing() as connection:
            began = time.monotonic()
            with database.giving_way(connection) if self._pace.gives_way else nullcontext():
                move_position(connection, name, piece.start, piece.end, clock.now() if piece.last else None)
                keep_pages(connection)
                store(connection, entry, lambda: self._look_ahead(work, upcoming))
            if entry.batch.bad:  # last, so that a batch the database refuses is not put there again and again
                self._quarantine.keep(name, entry.batch.bad)
        self._pace.took(len(piece.lines), time.monotonic() - began)

    def _isolate(self, name: str, piece: Piece, error: DataError | IntegrityError) -> Position:
        """The database refuses a row: try ever smaller batches, and put a line that is refused alone aside.

        Only if the quarantine can keep it: should every line be refused, stopping is better than losing them.
        """
        if len(piece.lines) > 1:
            self._smaller[name] = len(piece.lines) // 2
            return Position(piece.start, finished=False)
        with database.writing() as connection:
            move_position(connection, name, piece.start, piece.end, clock.now() if piece.last else None)
            if not self._quarantine.keep(name, piece.lines):
                raise error
        log.error("the database refused a spool line", file=name, cause=type(error.orig).__name__)
        self._smaller.pop(name, None)
        metrics.BAD_LINES.inc()
        return Position(piece.end, piece.last)


def spool_files(directory: Path) -> list[str]:
    """The names of the spool files, oldest first. Raises OSError when the directory cannot be read."""
    return sorted(entry.name for entry in os.scandir(directory) if entry.name.endswith(SUFFIX))


def _count(batch: Batch, piece: Piece) -> None:
    counts = batch.links.counts.values()
    metrics.INGESTED.labels("human").inc(sum(count.humans for count in counts))
    metrics.INGESTED.labels("bot").inc(sum(count.bots for count in counts))
    metrics.INGESTED.labels("prefetch").inc(sum(count.prefetches for count in counts))
    metrics.BAD_LINES.inc(len(batch.bad))
    if piece.tail:
        metrics.TAILS_DROPPED.inc()
        log.warning("a spool file ended in a line cut short, which was dropped", bytes=piece.tail)
