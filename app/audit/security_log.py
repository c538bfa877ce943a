"""The events as lines of a file (SECURITY_LOG), for what collects logs: only what was committed, in the order of the
chain, each with its seal.

The worker writes it from the database. So no line tells of what was rolled back, and none is lost with a killed
process or a full disk: how far it came is stored after the lines are written. At worst some come twice, with the same
`seq`. Whoever writes holds the chain, so that two workers neither mix lines nor turn the file over at once.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import current_app
from sqlalchemy import Connection, select

from app import database
from app.audit import chain
from app.audit.chain import EVENT
from app.audit.models import AuditChain, AuditEvent, AuditSeal
from app.audit.pacing import by_little

LARGEST = 10 * 1024 * 1024  # bytes of a file; then it becomes `<name>.1`, and that one `<name>.2`
OLDER = 9  # files that are kept beside the present one

_LINES = 500  # of one transaction


def write() -> None:
    """Write some of what was sealed since; a chore that comes back soon for the rest. Raises OSError, ChainBroken."""
    path = current_app.config["SECURITY_LOG"]
    if path is None:
        return
    by_little(_is_waiting, lambda: _write_some(path))


def check() -> None:
    """Raise OSError, naming the place, where the file cannot be written: the worker asks before it begins."""
    path = current_app.config["SECURITY_LOG"]
    if path is not None:
        _append(path, ())


def line(row: Any) -> str:
    """An event with its seal as one line of JSON."""
    told = {name: value for name, value in row._mapping.items() if name not in ("id", "public_id", "hash")}
    return json.dumps({"id": row.public_id, **told, "at": row.at.isoformat(), "hash": row.hash.hex()})


def _is_waiting() -> bool:
    with database.reading() as connection:
        return bool(connection.scalar(select(AuditChain.logged_seq < AuditChain.sealed_seq)))


def _write_some(path: Path) -> int:
    with database.writing() as connection:
        held = chain.hold(connection)
        rows = _sealed_after(connection, held.logged_seq) if held else []
        if held and rows:
            _append(path, map(line, rows))
            chain.move(connection, replace(held, logged_seq=rows[-1].seq))
        return len(rows)


def _sealed_after(connection: Connection, seq: int) -> list[Any]:
    query = select(AuditSeal.seq, AuditSeal.hash, *EVENT).join(
        AuditEvent, AuditEvent.id == AuditSeal.event_id
    )
    return list(connection.execute(query.where(AuditSeal.seq > seq).order_by(AuditSeal.seq).limit(_LINES)))


def _append(path: Path, lines: Iterable[str]) -> None:
    """Opened each time: another worker may have turned it over since. For its owner alone."""
    if path.exists() and path.stat().st_size >= LARGEST:
        _turn_over(path)
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        if file.read() not in (b"", b"\n"):  # a full disk has cut the last line off
            file.write(b"\n")
        file.write("".join(f"{text}\n" for text in lines).encode())


def _turn_over(path: Path) -> None:
    for number in range(OLDER, 0, -1):
        younger = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
        if younger.exists():
            younger.replace(path.with_name(f"{path.name}.{number}"))
