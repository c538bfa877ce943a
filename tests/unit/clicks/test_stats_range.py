"""Ranges that no statistics are told of: refused before a database is asked."""

from datetime import UTC, datetime

import pytest

from app.clicks.stats import Interval, stats
from app.errors import ValidationFailed


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "interval", "fields"),
    [
        ("2026-05-01T00:00", "2026-05-01T00:00", "day", "from"),
        ("2026-05-02T00:00", "2026-05-01T00:00", "day", "from"),
        ("1999-12-31T23:59", "2026-05-01T00:00", "month", "from"),
        ("2026-05-01T00:00", "2200-01-01T00:01", "month", "to"),
        ("9999-12-31T23:59", "9999-12-31T23:59:59", "month", "from to"),
        ("2026-05-01T00:00", "2026-06-11T16:01", "hour", "interval"),
        ("2000-01-01T00:00", "2200-01-01T00:00", "month", "interval"),
    ],
)
def test_a_range_that_cannot_be_told_is_refused(
    start: str, end: str, interval: Interval, fields: str
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        stats(1, at(start), at(end), interval)
    assert [error.field for error in refused.value.details] == fields.split()


@pytest.mark.parametrize(
    "edge", ["0001-01-01T00:00+05:00", "9999-12-31T23:59-05:00", "2000-01-01T00:00+00:01"]
)
def test_an_end_out_of_all_time_is_refused_without_a_start(edge: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        stats(1, None, datetime.fromisoformat(edge))
    assert refused.value.field == "to"
