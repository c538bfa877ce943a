"""Files row by row. That whole answers are right is tested at `GET /stats/export`."""

import csv
import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import create_environ, run_wsgi_app

from app.api import files

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def body(answer: object) -> str:
    content, _status, _headers = run_wsgi_app(answer, create_environ())  # type: ignore[arg-type]  # a response is one
    return b"".join(content).decode()


@pytest.mark.asvs("1.2.10")
@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@A1",
        "\tx",
        "\rx",
        "\nx",
        '=HYPERLINK("http://evil","x")',
        "=a\r\nb",
    ],
)
def test_no_cell_begins_a_formula(text: str) -> None:
    [[cell, number]] = list(
        csv.reader(io.StringIO(body(files.csv_file("x", ["a", "b"], [(text, -1)])), newline=""))
    )[1:]
    assert cell == f"'{text}"
    assert number == "-1"  # a number is one


@given(st.text(st.sampled_from("=+-@;,\t\r\n\"'a "), max_size=12))
def test_no_cell_begins_a_formula_whatever_separates_cells(text: str) -> None:
    """A spreadsheet's list separator is `;` where `,` is the decimal mark."""
    file = body(files.csv_file("x", ["a", "b"], [(text, 1)]))
    for separator in ",;\t":
        table = csv.reader(io.StringIO(file, newline=""), delimiter=separator)
        assert not [cell for row in table for cell in row if cell.startswith(FORMULA)]


@pytest.mark.parametrize("text", ["", "a", "1", "a=1", "ü", "\u202e", 'say "x"', "a,b;c", "a\r\nb\tc"])
def test_other_text_is_as_it_was(text: str) -> None:
    table = list(csv.reader(io.StringIO(body(files.csv_file("x", ["a"], [(text,)])), newline="")))
    assert table == [["a"], [text]]


@pytest.mark.asvs("1.2.10")
def test_lines_end_as_rfc_4180_says() -> None:
    assert body(files.csv_file("x", ["a", "b"], [(1, "x,y"), (2, 'q"')])) == 'a,b\r\n1,"x,y"\r\n2,"q"""\r\n'


def test_json_holds_head_and_items() -> None:
    text = body(files.json_file("x", {"of": "os", "tz": "UTC"}, ["value", "clicks"], [("=ü", 1), ("b", 2)]))
    assert json.loads(text) == {
        "of": "os",
        "tz": "UTC",
        "items": [{"value": "=ü", "clicks": 1}, {"value": "b", "clicks": 2}],
    }
    assert json.loads(body(files.json_file("x", {"of": "os"}, ["value"], []))) == {"of": "os", "items": []}


@pytest.mark.asvs("1.4.3")
def test_file_of_a_failed_row_is_not_left_open() -> None:
    """Warnings are errors: a file that nobody closed would be one."""
    with pytest.raises(ZeroDivisionError):
        files.csv_file("x", ["a"], ((1 // n,) for n in (1, 0)))


def test_iterators_become_arrays() -> None:
    members = [("name", "Ärger"), ("none", iter(())), ("some", iter([{"a": 1}, "b"])), ("list", [1])]
    text = body(files.json_object("x", members))
    assert json.loads(text) == {"name": "Ärger", "none": [], "some": [{"a": 1}, "b"], "list": [1]}
    assert "Ärger" in text


def test_large_file_is_not_held_in_memory() -> None:
    tracemalloc.start()
    try:
        answer = files.ndjson_file("x", ({"text": "x" * 50_000} for _ in range(600)))
        assert (answer.content_length or 0) > 30_000_000
        _, peak = tracemalloc.get_traced_memory()
        answer.close()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000
