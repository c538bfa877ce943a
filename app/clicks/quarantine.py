"""Where lines go that the ingester could not take: kept for a look, within bounds, never in its way."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from app.logs import log

_MAX_FILE = 1024 * 1024
_MAX_TOTAL = 16 * 1024 * 1024


class Quarantine:
    """The directory `quarantine` in the spool's, with a `<spool file>.bad` for each that had bad lines."""

    def __init__(self, spool: Path, *, max_file: int = _MAX_FILE, max_total: int = _MAX_TOTAL) -> None:
        self._directory = spool / "quarantine"
        self._max_file = max_file
        self._max_total = max_total

    def keep(self, file: str, lines: Iterable[bytes]) -> bool:
        """Append `lines` of spool file `file`; False when they can't be kept, for want of room or disk."""
        content = b"".join(line if line.endswith(b"\n") else line + b"\n" for line in lines)
        target = self._directory / f"{file}.bad"
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if (
                self._size(target) + len(content) > self._max_file
                or self._total() + len(content) > self._max_total
            ):
                log.error("bad spool lines dropped: the quarantine is full", file=file, bytes=len(content))
                return False
            with target.open("ab") as stream:
                stream.write(content)
        except OSError as error:
            log.error(
                "bad spool lines dropped: the quarantine cannot be written", file=file, error=str(error)
            )
            return False
        log.warning("bad spool lines put in quarantine", file=file, bytes=len(content))
        return True

    def forget(self, before: datetime) -> None:
        """Delete the files that nothing was added to since `before`."""
        for path in self._directory.glob("*.bad"):
            if path.stat().st_mtime < before.timestamp():
                path.unlink(missing_ok=True)

    def _total(self) -> int:
        return sum(self._size(path) for path in self._directory.iterdir())

    @staticmethod
    def _size(path: Path) -> int:
        return path.stat().st_size if path.exists() else 0
