"""Running installations: Gunicorn and the worker as real processes on a port of their own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.service import Service, serving

Start = Callable[..., Service]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start an installation: ``start(database_url, WEB_WORKERS="2")``; it is ended with the test."""
    with ExitStack() as stack:

        def started(database_url: str, application: str = "wsgi:app", **changes: str) -> Service:
            return stack.enter_context(serving(database_url, tmp_path, application, **changes))

        yield started


@pytest.fixture
def service(start: Start, database_url: str) -> Service:
    """One web process and the worker, once on each engine."""
    return start(database_url)
