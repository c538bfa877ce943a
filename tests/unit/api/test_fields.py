"""app/api/fields.py"""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError, fields

from app.api.fields import Bounded, Flag, QueryFlag, QueryWhole, Text, Time, Whole

BIG = 2**31 - 1


def taken(field: fields.Field[Any], value: Any) -> Any:
    return field.deserialize(value)


def refused(field: fields.Field[Any], value: Any) -> bool:
    try:
        field.deserialize(value)
    except ValidationError:
        return True
    return False


@pytest.mark.parametrize("value", ["a", "\u00e9\U0001f600", " ", "\u202e", "x" * 10])
def test_text_is_taken_as_it_is(value: str) -> None:
    assert taken(Text(10), value) == value


@pytest.mark.asvs("1.3.3")
@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        True,
        [],
        {},
        b"\xff",
        "x" * 11,
        "\x00",
        "a\x07",
        "\x7f",
        "\x85",
        "\ud800",
        "a\udfffb",
        "a\nb",
        "a\tb",
    ],
)
def test_text_that_a_database_or_a_header_could_not_hold_is_refused(value: Any) -> None:
    assert refused(Text(10), value)


def test_text_has_a_least_length_where_it_is_told_to() -> None:
    assert taken(Text(10), "") == ""
    assert refused(Text(10, least=1), "")


@pytest.mark.parametrize(
    ("value", "bad"), [("a\n\tb\r", False), ("a\x0b", True), ("\x00", True), ("\ud800", True)]
)
def test_text_of_several_lines_may_break_lines_only(value: str, bad: bool) -> None:
    assert refused(Text(10, multiline=True), value) is bad


@given(st.text(max_size=30))
def test_whatever_text_lets_in_can_be_stored(value: str) -> None:
    if not refused(Text(30), value):
        assert "\x00" not in value
        value.encode("utf-8")


@pytest.mark.parametrize(("value", "flag"), [(True, True), (False, False)])
def test_flag_is_a_boolean(value: bool, flag: bool) -> None:
    assert taken(Flag(), value) is flag


@pytest.mark.asvs("15.3.5")
@pytest.mark.parametrize("value", [None, 0, 1, "true", "yes", "", [], {}, 1.0])
def test_nothing_that_only_looks_like_a_flag_is_one(value: Any) -> None:
    assert refused(Flag(), value)


@pytest.mark.parametrize("value", ["True", "1", "", "yes", "false ", None])
def test_flag_of_a_query_has_one_spelling(value: Any) -> None:
    assert refused(QueryFlag(), value)
    assert taken(QueryFlag(), "true") is True
    assert taken(QueryFlag(), "false") is False


@pytest.mark.parametrize("value", [1, BIG])
def test_whole_number_within_bounds_is_taken(value: Any) -> None:
    assert taken(Whole(1, BIG), value) == value


@pytest.mark.asvs("1.4.2", "15.3.5")
@pytest.mark.parametrize(
    "value",
    [None, 0, -1, BIG + 1, 10**400, "1", "", True, False, 1.5, 1e300, float("nan"), float("inf"), [1], {}],
)
def test_anything_else_is_no_whole_number(value: Any) -> None:
    assert refused(Whole(1, BIG), value)


@pytest.mark.parametrize(("value", "number"), [("1", 1), ("100", 100), ("007", 7)])
def test_whole_number_of_a_query_is_digits(value: str, number: int) -> None:
    assert taken(QueryWhole(1, 100), value) == number


@pytest.mark.asvs("1.4.2")
@pytest.mark.parametrize(
    "value", ["", "0", "101", "+1", "-1", "1.0", " 1", "1 ", "1_0", "\u0661", "9" * 5000, "1\n", "0x1", None]
)
def test_anything_else_is_no_whole_number_of_a_query(value: Any) -> None:
    assert refused(QueryWhole(1, 100), value)


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31t12:00:00z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31T12:00:00+02:00", datetime(2030, 1, 31, 10, tzinfo=UTC)),
        ("2030-01-31T12:00:00.5-00:30", datetime(2030, 1, 31, 12, 30, 0, 500_000, tzinfo=UTC)),
        ("2030-01-31T12:00:00.123456789Z", datetime(2030, 1, 31, 12, 0, 0, 123_456, tzinfo=UTC)),
        ("2028-02-29T00:00:00Z", datetime(2028, 2, 29, tzinfo=UTC)),
    ],
)
def test_time_with_any_offset_is_taken_in_utc(value: str, time: datetime) -> None:
    assert taken(Time(), value) == time
    assert taken(Time(), value).tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        None, 1893456000, True, [], "", "now", "2030-01-31", "2030-01-31T12:00:00", "2030-01-31 12:00:00Z",
        "2030-01-31T12:00Z", "20300131T120000Z", "2030-W05-4T12:00:00Z", "2030-02-30T12:00:00Z",
        "2030-01-31T24:00:01Z", "2030-01-31T12:60:00Z", "2030-01-31T12:00:61Z", "2030-01-31T12:00:00+25:00",
        "2030-01-31T12:00:00+0200", "2030-01-31T12:00:00Z\n", " 2030-01-31T12:00:00Z", "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "-2030-01-31T12:00:00Z",
        "\u0662\u0660\u0663\u0660-01-31T12:00:00Z", "2030-01-31T12:00:00.Z", "2030-01-31T12:00:00,5Z",
        "2030-01-31T12:00:00.1234567890Z",
    ],
)  # fmt: skip
def test_anything_else_is_no_time(value: Any) -> None:
    assert refused(Time(), value)


@pytest.mark.parametrize(
    ("time", "sent"),
    [
        (datetime(2030, 1, 31, 12, tzinfo=UTC), "2030-01-31T12:00:00.000Z"),
        (datetime(2030, 1, 31, 12, 0, 0, 999_999, tzinfo=UTC), "2030-01-31T12:00:00.999Z"),
        (datetime(2030, 1, 31, 12, tzinfo=timezone(timedelta(hours=2))), "2030-01-31T10:00:00.000Z"),
        (None, None),
    ],
)
def test_time_goes_out_in_utc_with_milliseconds(time: datetime | None, sent: str | None) -> None:
    assert Time().serialize("at", {"at": time}) == sent


@given(st.integers(-62_000_000_000_000, 253_000_000_000_000))
def test_what_goes_out_comes_in_again(milliseconds: int) -> None:
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    sent = Time().serialize("at", {"at": time})
    assert taken(Time(), sent) == time


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_refused(value: str) -> None:
    if not refused(Time(), value):
        assert value[-1] in "zZ0123456789"


def test_a_list_that_is_too_long_is_refused_before_its_items_are_looked_at() -> None:
    looked_at: list[str] = []
    field = Bounded(fields.String(validate=looked_at.append), 1, 3)
    for items in (["a"] * 4, []):
        with pytest.raises(ValidationError):
            field.deserialize(items)
    assert looked_at == []
    assert field.deserialize(["a", "b"]) == looked_at == ["a", "b"]
