"""GET /links/{code}/stats/export and GET /stats/export."""

import csv
import io
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, insert

from app import database
from app.api import files
from app.clicks.models import AccountCount, AccountFacet, ClickCount, ClickFacet
from app.extensions import db
from tests.conftest import Caller
from tests.making import internal_id, make_link, stored_link

RANGE = "from=2026-04-01T00:00:00Z&to=2026-04-02T00:00:00Z"
HOSTILE = {
    "=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0",
    "+1+1": "'+1+1",
    "-2+3": "'-2+3",
    "@SUM(1)": "'@SUM(1)",
    "\tx": "'\tx",
    "\rx": "'\rx",
    '=1,"2"': '\'=1,"2"',
    "x;=1+1;.example": "x;'=1+1;.example",
    "a;=HYPERLINK(A1)": "a;'=HYPERLINK(A1)",
    "a,b": "a,b",
    'quo"te': 'quo"te',
    "line\r\nbreak": "line\r\nbreak",
    "münchen.example": "münchen.example",
}
"""Values, and what stands for them in a file."""


def put(app: Flask, caller: Caller, values: Sequence[tuple[str, int]], dimension: str = "referrer") -> None:
    """Values of one day for the link `seen` and for its owner."""
    owners = [
        (ClickFacet, {"link_id": stored_link(app, "seen")["id"]}),
        (AccountFacet, {"owner_id": internal_id(app, caller)}),
    ]
    with app.app_context(), database.writing() as connection:
        for model, owner in owners:
            row = {**owner, "day": date(2026, 4, 1), "dimension": dimension}
            connection.execute(
                insert(model), [{**row, "value": value, "clicks": clicks} for value, clicks in values]
            )


@pytest.fixture
def seen(app: Flask, alice: Caller) -> str:
    """A link of Alice's with a few clicks."""
    make_link(alice, code="seen")
    owners: list[tuple[Any, dict[str, int]]] = [
        (ClickCount, {"link_id": stored_link(app, "seen")["id"]}),
        (AccountCount, {"owner_id": internal_id(app, alice)}),
    ]
    with app.app_context(), database.writing() as connection:
        for model, owner in owners:
            count = {"humans": 3, "bots": 1, "prefetches": 9, "uniques": 2}
            quarter = datetime(2026, 4, 1, 10, 15, tzinfo=UTC)
            connection.execute(insert(model), [{**owner, **count, "quarter": quarter}])
    return "seen"


@pytest.mark.asvs("3.2.1", "4.1.1", "5.4.1", "5.4.2")
@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize(("path", "whose"), [("/links/seen/stats", "seen"), ("/stats", "all-links")])
def test_series_is_a_csv_file(alice: Caller, path: str, whose: str) -> None:
    answer = alice.get(f"{path}/export?{RANGE}&tz=Asia/Kolkata")
    assert answer.status_code == 200
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == (
        f'attachment; filename="slugline-{whose}-series-20260401-20260402.csv"'
    )
    assert answer.text == (
        "start,local_start,clicks,humans,bots,uniques\r\n"
        "2026-03-31T18:30:00.000Z,2026-04-01T00:00:00+05:30,4,3,1,2\r\n"
        "2026-04-01T18:30:00.000Z,2026-04-02T00:00:00+05:30,0,0,0,0\r\n"
    )


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize("path", ["/links/seen/stats", "/stats"])
def test_series_is_a_json_file(alice: Caller, path: str) -> None:
    answer = alice.get(f"{path}/export?{RANGE}&format=json&interval=month")
    assert answer.content_type == "application/json"
    assert answer.headers["Content-Disposition"].endswith('-series-20260401-20260402.json"')
    assert answer.json == {
        "from": "2026-04-01T00:00:00.000Z",
        "to": "2026-04-02T00:00:00.000Z",
        "tz": "UTC",
        "of": "series",
        "items": [
            {
                "start": "2026-04-01T00:00:00.000Z",
                "local_start": "2026-04-01T00:00:00+00:00",
                "clicks": 4,
                "humans": 3,
                "bots": 1,
                "uniques": 2,
            }
        ],
    }


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize(
    ("of", "dimension"),
    [
        ("referrers", "referrer"),
        ("countries", "country"),
        ("browsers", "browser"),
        ("os", "os"),
        ("devices", "device"),
    ],
)
def test_each_list_is_exported_whole(app: Flask, alice: Caller, of: str, dimension: str) -> None:
    values = [(f"value {number:03}", 1_000 - number) for number in range(150)]
    put(app, alice, values, dimension)
    for path in ("/links/seen/stats", "/stats"):
        table = list(csv.reader(io.StringIO(alice.get(f"{path}/export?{RANGE}&of={of}").text)))
        assert table == [["value", "clicks"], *([value, str(clicks)] for value, clicks in values)]
        items = alice.get(f"{path}/export?{RANGE}&of={of}&format=json").json["items"]
        assert items == [{"value": value, "clicks": clicks} for value, clicks in values]


@pytest.mark.asvs("1.1.2", "1.2.10")
@pytest.mark.usefixtures("seen")
def test_hostile_text_is_no_formula_and_stays_in_its_cell(app: Flask, alice: Caller) -> None:
    put(app, alice, [(value, 100 - place) for place, value in enumerate(HOSTILE)])
    answer = alice.get(f"/links/seen/stats/export?{RANGE}&of=referrers")
    file = answer.data.decode("utf-8")
    tables = [list(csv.reader(io.StringIO(file, newline=""), delimiter=separator)) for separator in ",;\t"]
    assert [value for value, _ in tables[0][1:]] == list(HOSTILE.values())
    cells = [cell for table in tables for row in table for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]
    as_json = alice.get(f"/links/seen/stats/export?{RANGE}&of=referrers&format=json").json
    assert [item["value"] for item in as_json["items"]] == list(HOSTILE)


@pytest.mark.usefixtures("seen")
def test_empty_list_is_a_file_too(alice: Caller) -> None:
    assert alice.get(f"/stats/export?{RANGE}&of=os").text == "value,clicks\r\n"
    assert alice.get(f"/stats/export?{RANGE}&of=os&format=json").json["items"] == []


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize("form", ["csv", "json"])
def test_long_file_comes_whole_from_disk(
    app: Flask, alice: Caller, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_IN_MEMORY", 10_000)
    monkeypatch.setattr(files, "_CHUNK", 1_000)
    put(app, alice, [(f"site{number:05}.example.org", 1) for number in range(5_000)])
    path = f"/links/seen/stats/export?{RANGE}&of=referrers&format={form}"
    with alice.get(path) as answer:
        assert len(answer.data) == int(answer.headers["Content-Length"]) > 100_000
        assert answer.text.count(".example.org") == 5_000
        if form == "json":
            assert len(json.loads(answer.data)["items"]) == 5_000
    with alice.call("HEAD", path) as head:
        assert (head.data, head.headers["Content-Length"]) == (b"", answer.headers["Content-Length"])


@pytest.mark.usefixtures("seen")
def test_memory_does_not_grow_with_the_values(app: Flask, alice: Caller) -> None:
    """The database hands over rows as they are taken, not all at once."""
    put(app, alice, [(f"site{number:05}.example.org", 1) for number in range(5_000)])
    sent: list[Mapping[str, Any]] = []

    def heard(*arguments: Any) -> None:
        sent.append(arguments[4].execution_options)

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", heard)
        alice.get(f"/links/seen/stats/export?{RANGE}&of=referrers")
        event.remove(db.engine, "before_cursor_execute", heard)
    assert [options["yield_per"] for options in sent if "yield_per" in options] == [1_000]


@pytest.mark.usefixtures("seen")
def test_error_in_the_middle_is_an_error_and_no_file(
    app: Flask, alice: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(app, alice, [("a", 3), ("b", 2), ("c", 1)])

    def fail(cell: str | int) -> str | int:
        if cell == "c":
            raise RuntimeError("the disk is full, say")
        return cell

    monkeypatch.setattr(files, "_harmless", fail)
    with caplog.at_level(logging.CRITICAL):
        answer = alice.get(f"/links/seen/stats/export?{RANGE}&of=referrers")
    assert (answer.status_code, answer.json["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert "Content-Disposition" not in answer.headers


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize("form", ["csv", "json"])
def test_head_tells_what_get_would(alice: Caller, form: str) -> None:
    for path in ("/links/seen/stats", "/stats"):
        get = alice.get(f"{path}/export?{RANGE}&format={form}")
        head = alice.call("HEAD", f"{path}/export?{RANGE}&format={form}")
        assert (head.status_code, head.data) == (200, b"")
        for name in ("Content-Type", "Content-Length", "Content-Disposition"):
            assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("format=xlsx", "format"),
        ("of=visitors", "of"),
        ("tz=x", "tz"),
        ("top=5", "top"),
        ("to=2200-01-02T00:00:00Z", "to"),
        ("interval=hour&from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "interval"),
    ],
)
@pytest.mark.usefixtures("seen")
def test_what_is_not_acceptable_is_named(alice: Caller, query: str, field: str) -> None:
    for path in ("/links/seen/stats", "/stats"):
        answer = alice.get(f"{path}/export?{query}")
        assert (answer.status_code, answer.json["error"]["field"]) == (400, field)


def test_stranger_gets_no_file(anonymous: Caller) -> None:
    assert anonymous.get("/stats/export").status_code == 401
