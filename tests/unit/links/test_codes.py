import re

import pytest
from werkzeug.routing import Map, Rule

from app.links.codes import ALPHABET, LENGTH, CodeTaken, InvalidCode, checked, generate, reserved_codes

ROUTES = ["/", "/api/v1/links/<code>", "/Docs", "/docs/<path:name>", "/healthz", "/static/<path:filename>"]


def url_map(*rules: str) -> Map:
    return Map([Rule(rule, endpoint=rule) for rule in rules])


def test_alphabet_has_no_vowel_and_nothing_misread() -> None:
    assert not set(ALPHABET) & set("aeiouAEIOU0OoQ1Il2Z5Ss8uv")
    assert ALPHABET.isalnum() and ALPHABET.isascii()
    assert len(set(ALPHABET)) == len(ALPHABET) == 41


def test_generated_code_is_seven_characters_of_the_alphabet() -> None:
    codes = [generate() for _ in range(500)]
    assert all(len(code) == LENGTH == 7 and set(code) <= set(ALPHABET) for code in codes)
    assert all(checked(code, frozenset()) == code for code in codes)


def test_generated_codes_differ_and_use_the_whole_alphabet() -> None:
    codes = {generate() for _ in range(500)}
    assert len(codes) == 500
    assert set("".join(codes)) == set(ALPHABET)


def test_generated_code_is_never_reserved_in_any_case() -> None:
    reserved = frozenset(character.lower() for character in ALPHABET) - {"7", "k"}
    assert {generate(reserved, length=1) for _ in range(100)} == {"7", "k", "K"}


@pytest.mark.parametrize("code", ["a", "Z", "0", "-", "_", "a-b_C9", "x" * 64, "s", "docs2"])
def test_good_code_is_kept_as_it_is(code: str) -> None:
    assert checked(code, frozenset({"docs"})) == code


@pytest.mark.asvs("5.4.2")
@pytest.mark.parametrize(
    "code",
    [
        "",
        " ",
        "abc\n",
        "\nabc",
        "a b",
        "a.b",
        "a/b",
        "a+",
        "a%20",
        "x" * 65,
        "é",
        "١",
        "ａ",
        "a\x00",
        "\ud800",
        "../s",
    ],
)
def test_malformed_code_is_refused(code: str) -> None:
    with pytest.raises(InvalidCode) as refusal:
        checked(code, frozenset())
    assert (refusal.value.status, refusal.value.code, refusal.value.field) == (
        400,
        "VALIDATION_ERROR",
        "code",
    )
    assert refusal.value.message == "A code is 1 to 64 letters, digits, hyphens or underscores."


@pytest.mark.parametrize("code", ["docs", "DOCS", "Docs", "dOcS"])
def test_reserved_code_is_refused_in_any_case(code: str) -> None:
    with pytest.raises(InvalidCode, match="reserved"):
        checked(code, frozenset({"docs"}))


def test_refusal_names_the_callers_field() -> None:
    with pytest.raises(InvalidCode) as malformed:
        checked("!", frozenset(), field="custom_code")
    with pytest.raises(InvalidCode) as reserved:
        checked("api", frozenset({"api"}), field="custom_code")
    assert malformed.value.field == reserved.value.field == "custom_code"
    assert [detail.field for detail in malformed.value.details] == ["custom_code"]


def test_empty_prefix_reserves_the_first_segment_of_every_other_route() -> None:
    reserved = reserved_codes(url_map(*ROUTES, "/<code>", "/<code>+"), "")
    assert reserved == {"api", "docs", "healthz", "static"}


def test_prefix_reserves_what_stands_below_it_and_beside_it() -> None:
    reserved = reserved_codes(url_map(*ROUTES, "/s/<code>", "/s/<code>+", "/s/Help", "/s/"), "s")
    assert reserved == {"api", "docs", "healthz", "static", "help"}


def test_prefix_itself_stays_free() -> None:
    assert "s" not in reserved_codes(url_map("/s/<code>"), "s")


@pytest.mark.parametrize("prefix", ["go/to", "/go/to/"])
def test_prefix_of_two_segments_is_taken_off_whole(prefix: str) -> None:
    assert reserved_codes(url_map("/go/to/<code>", "/go/to/help", "/go/away"), prefix) == {"help", "go"}


def test_every_reserved_code_of_a_real_map_is_lower_case() -> None:
    assert all(re.fullmatch("[^A-Z<>/]+", code) for code in reserved_codes(url_map(*ROUTES), ""))


def test_taken_code_is_409_and_names_the_field() -> None:
    assert (CodeTaken.status, CodeTaken.code, CodeTaken().field) == (409, "CODE_TAKEN", "code")
    assert CodeTaken(field="custom_code").field == "custom_code"
