"""Spool files, an ingester, and what became of the lines."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app import database
from app.clicks.countries import countries
from app.clicks.ingest import Ingester
from app.clicks.line import ClickLine, Kind, encode
from app.clicks.models import Click

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
CURL = "curl/8.5.0"
AT = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)

Finished = Callable[[Iterable[bytes]], Path]
_numbers = count(1)


def click(
    query: str = "",
    *,
    link_id: int = 1,
    at: datetime = AT,
    kind: Kind = "click",
    user_agent: str = FIREFOX,
    referrer: str = "",
    address: str = "193.99.144.0/24",
) -> bytes:
    """A spool line as the web process writes it."""
    time = int(at.timestamp() * 1000)
    return encode(ClickLine(time, link_id, kind, "0123456789abcdef", address, user_agent, referrer, query))


def drain(ingester: Ingester) -> int:
    """Step until there is nothing to take; return the number of lines taken."""
    total = 0
    while taken := sum(ingester.step()):
        total += taken
    return total


def queries() -> list[str]:
    """The query of each stored click: the visits' own ids."""
    with database.reading() as connection:
        return list(connection.scalars(select(Click.query).order_by(Click.id)))


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    """The noun needs an application context, and no more of the application."""
    with app.app_context():
        yield


@pytest.fixture
def spool_dir(app: Flask) -> Path:
    directory: Path = app.config["SPOOL_DIR"]
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.fixture
def ingester(spool_dir: Path) -> Iterator[Ingester]:
    with Ingester(spool_dir, countries()) as one:
        yield one


@pytest.fixture
def finished(spool_dir: Path) -> Finished:
    """Write a spool file whose writer is gone."""

    def write(lines: Iterable[bytes]) -> Path:
        path = spool_dir / f"{next(_numbers):019}-{'0' * 32}.spool"
        # As a writer does: a worker at its side would take one that is still empty for finished, and delete it.
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(b"".join(lines))
        return temporary.rename(path)

    return write
