"""app/logs.py: one JSON object a line, without secrets."""

import io
import json
import logging
import logging.config
from collections.abc import Iterator
from typing import Any

import pytest

from app import logs


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the handler writes; the logging of the test run is put back afterwards."""
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("INFO")
    for handler in root.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)
    yield stream
    root.handlers[:], root.level = handlers, level


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.asvs("16.2.4", "16.4.1")
def test_our_lines_and_the_libraries_are_json(written: io.StringIO) -> None:
    logs.log.info("done", count=3, text="two\nlines")
    logging.getLogger("some.library").warning("%s failed", "it")
    ours, theirs = lines(written)
    assert (ours["event"], ours["count"], ours["text"], ours["level"]) == ("done", 3, "two\nlines", "info")
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("it failed", "some.library", "warning")
    assert ours["timestamp"].endswith("Z")


def test_traceback_has_no_locals(written: io.StringIO) -> None:
    def fail(password: str) -> None:
        raise RuntimeError(f"a secret of {len(password)} characters")

    try:
        fail("hunter2hunter2")
    except RuntimeError as error:
        logs.log.error("unexpected", exc_info=error)
    [line] = lines(written)
    assert line["exception"][0]["exc_value"] == "a secret of 14 characters"
    assert "hunter2" not in written.getvalue()


def test_rows_that_postgresql_repeats_are_cut(written: io.StringIO) -> None:
    row = "Failing row contains (ada@example.org,\nx)"
    message = f"(CheckViolation) new row violates check\nDETAIL:  {row}\n[SQL: ...]"
    try:
        try:
            raise ValueError("inner\nDETAIL:  Key (email)=(ada@example.org) exists")
        except ValueError as inner:
            raise RuntimeError(message) from inner
    except RuntimeError as error:
        logs.log.error("unexpected", exc_info=error)
    [line] = lines(written)
    assert [part["exc_value"] for part in line["exception"]] == [
        "(CheckViolation) new row violates check",
        "inner",
    ]
    assert "ada@" not in written.getvalue()


def test_below_the_level_nothing_is_written(written: io.StringIO) -> None:
    logs.log.debug("not this")
    logging.getLogger("sqlalchemy.engine").info("nor that")
    assert written.getvalue() == ""
