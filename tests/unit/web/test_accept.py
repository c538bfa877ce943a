"""app/web/accept.py: what RFC 9110 §12.5.1 makes of an Accept header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.accept import JSON, PROBLEM, best, prefers_problem, ranges

VERSIONED, CSV = "application/vnd.slugline.v1+json", "text/csv"
OFFERS = (JSON, VERSIONED, CSV)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("*", JSON),
        ("text/*", CSV),
        ("TEXT/CSV", CSV),
        ("application/json", JSON),
        ("application/json;charset=UTF-8", JSON),
        ("application/vnd.slugline.v1+json", VERSIONED),
        ("text/csv, application/json;q=0.9", CSV),
        ("text/csv;q=0.1, application/json;q=0.2", JSON),
        ("text/csv;q=0.5, */*;q=0.1", CSV),
        # Of equals the one named more precisely, then the one offered first.
        ("text/csv, */*", CSV),
        ("text/csv, application/json", JSON),
        # The most specific range speaks for a type, wherever it stands.
        ("*/*, application/json;q=0", VERSIONED),
        ("application/json;q=0, */*", VERSIONED),
        ("application/*;q=0, */*;q=0.1", CSV),
        ("application/json;q=0.1, application/*;q=0.5, text/csv;q=0.3", VERSIONED),
        ("*/*;q=0", None),
        ("application/json;q=0", None),
        ("application/json;q=0.000", None),
        ("text/html", None),
        ("image/*, text/html", None),
        ("application/json;version=2", None),
        ("application/json;version=2;q=0, application/json", JSON),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", JSON),
        # What cannot be read is left out.
        ("application/json;q=2, text/csv;q=0.1", CSV),
        ("application/json;q=-1, text/csv;q=0.1", CSV),
        ("application/json;q=nan, text/csv;q=0.1", CSV),
        ("json, */csv, text/csv", CSV),
        ("json", JSON),
        (",,;q=1,", JSON),
        # Problems are about errors.
        (PROBLEM, JSON),
        (f"{PROBLEM};q=0", JSON),
        (f"{PROBLEM}, text/csv", CSV),
        (f"{PROBLEM}, text/html", None),
        (f"{PROBLEM}, application/json;q=0", None),
    ],
)
def test_type_is_chosen(header: str, expected: str | None) -> None:
    assert best(header, OFFERS) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (PROBLEM, True),
        (f"{PROBLEM}, {JSON}", True),
        (f"{JSON}, {PROBLEM}", True),
        (f"{JSON};q=0.5, {PROBLEM};q=0.6", True),
        (f"{PROBLEM}, text/html;q=0.9, */*;q=0.8", True),
        (f"{PROBLEM};q=0.1, {VERSIONED}", True),
        (f"{JSON}, {PROBLEM};q=0.9", False),
        (f"{PROBLEM};q=0.5, */*", False),
        (f"{PROBLEM};q=0", False),
        ("*/*", False),
        ("application/*", False),
        (JSON, False),
        ("text/html", False),
        ("", False),
    ],
)
def test_problem_is_sent_to_who_names_it(header: str, expected: bool) -> None:
    assert prefers_problem(header) is expected


_words = st.sampled_from(["*", "/", ";", ",", "q", "=", "0", "1", ".5", '"', "\\", " ", "text", "json", "é"])


@given(st.lists(_words).map("".join) | st.text())
def test_no_header_is_too_odd(header: str) -> None:
    assert best(header, OFFERS) in (*OFFERS, None)
    assert all(0 <= member.quality <= 1 for member in ranges(header))


def test_of_a_very_long_header_the_beginning_is_read() -> None:
    assert best("text/csv, " + "image/png, " * 1_000 + "application/json", OFFERS) == CSV
    assert len(ranges("a/b," * 100_000)) <= 256
