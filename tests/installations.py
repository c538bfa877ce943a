"""Running installations: Gunicorn and the worker as real processes on a port of their own.

A start costs three seconds of CPU, so the tests of a module share one where they can, each with users and links
of its own.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.conftest import new_postgres_database
from tests.service import Service, serving

Start = Callable[..., Service]


@pytest.fixture(scope="module")
def new_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """Make a migrated database on the engine named; return its URL."""

    def new(engine: str) -> str:
        if engine == "sqlite":
            copy = tmp_path_factory.mktemp("database") / "slugline.db"
            shutil.copy(request.getfixturevalue("sqlite_template"), copy)
            return f"sqlite:///{copy}"
        template = make_url(request.getfixturevalue("postgres_template")).database
        return new_postgres_database(request.getfixturevalue("postgres_server"), template=template)

    return new


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start an installation on a migrated database: ``start(url, WEB_WORKERS="2")``; the module's end ends it."""
    with ExitStack() as stack:

        def started(url: str, application: str = "wsgi:app", **changes: str) -> Service:
            folder: Path = tmp_path_factory.mktemp("service")
            return stack.enter_context(serving(url, folder, application, **changes))

        yield started


@pytest.fixture(scope="module")
def service(start: Start, new_database: Callable[[str], str]) -> Service:
    """One web process and the worker, on SQLite."""
    return start(new_database("sqlite"))
