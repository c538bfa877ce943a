"""app/web/strict_json.py"""

import json
import math
from contextlib import suppress

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from app.errors import MalformedJSON
from app.web import strict_json
from app.web.strict_json import parse

DEEP = 100_000


@pytest.mark.asvs("1.5.2", "15.3.7")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"a": 1',
        b'{"a": 1,}',
        b"[1, 2",
        b"{'a': 1}",
        b'{"a": 1} {}',
        b'{"a": tru}',
        b"// x\n{}",
        b'{"a": "\x00"}',
        b'{"a": "tab\there"}',
        b"\xef\xbb\xbf{}",
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-32-le"),
        b'{"a": 01}',
        b'{"a": .5}',
        b'{"a": +1}',
        b'{"a": 0x10}',
        b"NaN",
        b"-Infinity",
        b"[NaN]",
        b"[[[Infinity]]]",
        b'{"a": NaN}',
        b'{"a": [1, [2, NaN]]}',
        b'{"a": {"b": [[-Infinity]]}}',
        b'{"a": 1e999}',
        b'{"a": [-1e999]}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": 1, "a": 2}',
        b'{"a": 1, "\\u0061": 2}',
        b'{"x": {"a": 1, "a": 1}}',
        b'{"\\ud800": 1}',
        b'{"a": {"\\udfff": 1}}',
        b"[" * DEEP,
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b'[{"a":' * DEEP,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_not_strict_json_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedJSON):
        parse(body)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"url": NaN}', "url"),
        (b'{"tags": [["x", NaN]]}', "tags"),
        (b'{"url": 1, "url": 1}', "url"),
        (b'{"o": {"inner": 1e999}}', "inner"),
        (b'{"' + b"k" * 300 + b'": NaN}', "k" * 100),
        (b"[NaN]", None),
        (b"{", None),
    ],
)
def test_refusal_names_the_key_where_there_is_one(body: bytes, field: str | None) -> None:
    with pytest.raises(MalformedJSON) as refused:
        parse(body)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}),
        (b' {"a": [1, 2.5, "x", null, true]}\n', {"a": [1, 2.5, "x", None, True]}),
        (b'"NaN"', "NaN"),
        (b'{"NaN": "Infinity"}', {"NaN": "Infinity"}),
        (b"1e400".replace(b"400", b"300"), 1e300),
        (b'{"a": {"b": 1}, "c": {"b": 1}}', {"a": {"b": 1}, "c": {"b": 1}}),
        ('{"\u00e9\U0001f600": "\U0001f600"}'.encode(), {"\u00e9\U0001f600": "\U0001f600"}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b"[" * 64 + b"]" * 64, None),
    ],
)
def test_what_is_strict_json_is_read(body: bytes, value: object) -> None:
    assert parse(body) == (json.loads(body) if value is None else value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_everything_that_json_can_say_survives(value: object) -> None:
    assert parse(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")) == value


@given(VALUES, st.sampled_from([math.nan, math.inf, -math.inf]))
def test_no_number_that_json_cannot_say_gets_through(value: object, number: float) -> None:
    for wrapped in ([value, number], {"a": value, "b": [[number]]}, [[{"c": number}, value]]):
        with pytest.raises(MalformedJSON):
            parse(json.dumps(wrapped).encode())


@given(st.binary(max_size=60))
def test_bytes_of_any_kind_are_read_or_refused(body: bytes) -> None:
    with suppress(MalformedJSON):
        json.dumps(parse(body))


@pytest.mark.asvs("1.2.3")
def test_flask_writes_utf8_and_reads_strictly(bare: Flask) -> None:
    strict_json.init_app(bare)
    assert bare.json.dumps({"a": "\u00e9"}) == '{"a":"\u00e9"}'
    assert bare.json.loads('{"a": 1}') == {"a": 1}
    with pytest.raises(MalformedJSON):
        bare.json.loads(b'{"a": 1, "a": 2}')


@pytest.mark.parametrize(
    ("body", "deep"),
    [
        (b"[" * 65 + b"]" * 65, True),
        (b'{"a":' * 64 + b"[1]" + b"}" * 64, True),
        (b'{"a":' * 63 + b"[1]" + b"}" * 63, False),
        (b"[" * 65, True),
        (b"[" + b",".join([b"[[]]"] * 100) + b"]", False),
        (b'["' + b"[" * 100 + b'"]', False),
        (b'["\\"' + b"[" * 100 + b'\\\\"]', False),
        (b'["\\\\", ' + b"[" * 64 + b"]" * 65, True),
    ],
)
def test_sixty_four_levels_are_read_and_no_more(body: bytes, deep: bool) -> None:
    if deep:
        with pytest.raises(MalformedJSON, match="64 levels"):
            parse(body)
    else:
        assert parse(body) == json.loads(body)


@given(
    st.recursive(
        st.text('[]{}"\\', max_size=8), lambda inner: st.lists(inner) | st.dictionaries(st.text('[{"'), inner)
    )
)
def test_levels_are_counted_as_they_are(value: object) -> None:
    def levels(part: object) -> int:
        inner = part.values() if isinstance(part, dict) else part
        return 1 + max(map(levels, inner), default=0) if isinstance(part, (dict, list)) else 0

    few = strict_json.DEEPEST
    body = json.dumps([value] + [[]] * few).encode()  # enough brackets to be looked at
    assert strict_json._depth(body) == max(levels(value), 1) + 1


def test_texts_that_never_end_take_no_time() -> None:
    """A pattern that tries each quote anew would be at this for minutes."""
    for body in (b'\\"' * 120_000, b'"' * 250_000, b'"' + b"\\" * 250_000):
        with pytest.raises(MalformedJSON):
            parse(b"[" * 70 + body)
