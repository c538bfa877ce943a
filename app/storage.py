"""Where files are kept: a folder. Another place (an object store) needs these four methods and nothing else."""

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from app import clock

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\.[a-z]{1,8}")


class Storage(Protocol):
    """Files by name. A name is the caller's: letters, digits, `_` and `-`, a dot and a suffix."""

    def write(self, name: str, data: bytes) -> None:
        """Keep a file, whole or not at all; it is on the disk on return. Raises OSError."""

    def read(self, name: str) -> bytes | None:
        """The file; None where there is none."""

    def remove(self, name: str) -> None:
        """Delete the file, if there is one."""

    def older_than(self, seconds: float) -> Iterator[str]:
        """The names of the files that were written longer ago."""


class Folder:
    """Files in a folder, which is made when the first one comes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, name: str, data: bytes) -> None:
        # A name like others: what a killed process leaves is old some day, and removed as nobody's.
        file, part = self._file(name), self._file(f"{secrets.token_hex(16)}.part")
        self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            _write(part, data)
            part.replace(file)
            _sync(self._path)
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def read(self, name: str) -> bytes | None:
        try:
            return self._file(name).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        self._file(name).unlink(missing_ok=True)

    def older_than(self, seconds: float) -> Iterator[str]:
        horizon = clock.now().timestamp() - seconds
        if not self._path.is_dir():
            return
        for entry in os.scandir(self._path):
            if _NAME.fullmatch(entry.name) and entry.stat().st_mtime < horizon:
                yield entry.name

    def _file(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a file here")
        return self._path / name


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Bring the names in a folder to the disk, as fsync(2) asks."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
