"""A click as a line of the spool: nothing a visitor sends can break it."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clicks.line import MAX_QUERY, MAX_REFERRER, MAX_USER_AGENT, BadLine, ClickLine, decode, encode

LINE = ClickLine(
    time=1_730_000_000_123,
    link_id=42,
    kind="click",
    visitor="0123456789abcdef",
    address="203.0.113.0/24",
    user_agent="Mozilla/5.0",
    referrer="https://example.org/page",
    query="utm_source=x",
)
FIELDS = [1, *LINE]

hostile = st.text(
    st.characters() | st.characters(categories=["Cs"]), max_size=60
)  # with NUL, line breaks and lone surrogates
lines = st.builds(
    ClickLine,
    time=st.integers(0, 253_402_300_799_999),
    link_id=st.integers(0, 2**63 - 1),
    kind=st.sampled_from(["click", "prefetch"]),
    visitor=st.just("") | st.binary(min_size=8, max_size=8).map(bytes.hex),
    address=st.sampled_from(["", "203.0.113.0/24", "2001:db8:1::/48"]),
    user_agent=hostile,
    referrer=hostile,
    query=hostile,
)


def cleaned(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "")


@given(lines)
def test_what_is_written_is_read_again(line: ClickLine) -> None:
    read = decode(encode(line))
    for name in ("time", "link_id", "kind", "visitor", "address"):
        assert getattr(read, name) == getattr(line, name)
    for name in ("user_agent", "referrer", "query"):
        assert getattr(read, name) == cleaned(getattr(line, name))


@given(lines)
def test_one_click_is_one_line(line: ClickLine) -> None:
    assert encode(line).index(b"\n") == len(encode(line)) - 1


@given(st.binary(max_size=200))
def test_any_bytes_are_a_click_or_a_bad_line(raw: bytes) -> None:
    with pytest.raises(BadLine):
        decode(raw)


@given(lines, st.integers(0, 10_000), st.binary(max_size=3))
def test_a_damaged_line_is_a_click_or_a_bad_line(line: ClickLine, place: int, damage: bytes) -> None:
    raw = encode(line)
    place %= len(raw)
    try:
        read = decode(raw[:place] + damage + raw[place + len(damage) :])
    except BadLine:
        return
    assert encode(read).endswith(b"\n")


def test_long_texts_are_cut() -> None:
    long = ClickLine(0, 1, "click", "0" * 16, "", "a" * 9000, "b" * 9000, "c" * 9000)
    read = decode(encode(long))
    assert (len(read.user_agent), len(read.referrer), len(read.query)) == (
        MAX_USER_AGENT,
        MAX_REFERRER,
        MAX_QUERY,
    )


def test_the_longest_line_stays_far_below_what_the_reader_takes_at_once() -> None:
    longest = ClickLine(0, 2**63 - 1, "prefetch", "0" * 16, "x" * 43, "\1" * 9000, "\1" * 9000, "\1" * 9000)
    assert len(encode(longest)) < 16 * 1024


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    raw = encode(LINE).replace(b"Mozilla", b"Mo\xff\xfea")
    assert decode(raw).user_agent == "Mo\ufffd\ufffda/5.0"


def changed(place: int, value: object) -> bytes:
    fields = [*FIELDS]
    fields[place] = value
    return orjson.dumps(fields)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"\0" * 40,
        b"{}",
        b"[]",
        b"1",
        b"null",
        b"[" * 5000,
        orjson.dumps(FIELDS)[:-9],
        orjson.dumps(FIELDS[:-1]),
        orjson.dumps([*FIELDS, ""]),
        orjson.dumps(FIELDS) * 2,
        changed(0, 2),
        changed(0, True),
        changed(1, -1),
        changed(1, 1.5),
        changed(1, 253_402_300_800_000),
        changed(2, "42"),
        changed(2, True),
        changed(2, 2**63),
        changed(3, "Click"),
        changed(3, None),
        changed(3, ["click"]),
        changed(4, "0123456789ABCDEF"),
        changed(4, "0123456789abcde"),
        changed(4, "0123456789abcde\n"),
        changed(4, 12),
        changed(5, None),
        changed(6, 1),
        changed(7, []),
        changed(8, {}),
        orjson.dumps(FIELDS).replace(b"utm", b"\\ud800"),
    ],
)
def test_what_encode_would_not_write_is_bad(raw: bytes) -> None:
    assert decode(orjson.dumps(FIELDS)) == LINE
    with pytest.raises(BadLine):
        decode(raw)
