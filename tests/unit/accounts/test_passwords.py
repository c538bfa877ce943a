"""app/accounts/passwords.py"""

import time
from collections.abc import Iterator

import hypothesis
import pytest
from flask import Flask
from hypothesis import strategies
from werkzeug.security import check_password_hash, generate_password_hash
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from app.accounts import passwords, strength
from app.errors import FieldError, ValidationFailed
from tests.conftest import PASSWORD

LIGATURE = "\N{LATIN SMALL LIGATURE FFI}"  # three characters after NFKC


EMAIL = "ada.lovelace@example.org"


@pytest.fixture
def here(bare: Flask) -> Iterator[Flask]:
    with bare.app_context():
        yield bare


def reason(password: str) -> str | None:
    """Why the password is refused; None where it is accepted."""
    try:
        passwords.accepted(password, email=EMAIL)
    except ValidationFailed as refused:
        return refused.reason
    return None


def test_refusal_names_the_field_and_tells_why(here: Flask) -> None:
    with pytest.raises(ValidationFailed) as refused:
        passwords.accepted("password1234", email=EMAIL, field="new_password")
    assert (refused.value.field, refused.value.reason) == ("new_password", "common")
    assert refused.value.details == (FieldError("new_password", refused.value.message),)


@pytest.mark.asvs("6.2.5", "6.2.9")
@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "correct horse",
        "kjhewrtuizmv",
        "4871 0925 3366 1148",
        "p\u00e4ssw\u00f6rter sind toll",
        "\u5bc6\u7801\u662f\u4e00\u4e2a\u79d8\u5bc6\u4e0d\u8bf4\u51fa\u6765\u7684",
        "\U0001f600\U0001f9ff\U0001f40e\U0001f50b\U0001f3e1\U0001f680\U0001f955\U0001f3bb\U0001f409\U0001f308\u26f5\U0001f333",
        "my keyboard, ada, is older than the web",
        "I wrote slugline on a train to Bath",
        "a" * 200 + "kjh4ewr7tuizmv",
        "x".join(["correct", "horse", "battery", "staple"]) * 9,
    ],
)
def test_neither_length_nor_kinds_of_characters_are_held_against_a_good_one(
    here: Flask, password: str
) -> None:
    assert reason(password) is None


@pytest.mark.asvs("6.2.1")
@pytest.mark.parametrize("password", ["", "short one", "x" * 257, LIGATURE * 86, "e\u0301" * 11])
def test_length_is_counted_after_nfkc(here: Flask, password: str) -> None:
    assert reason(password) == "length"


@pytest.mark.asvs("6.2.4", "6.2.12")
@pytest.mark.parametrize(
    "password",
    [
        # In the list itself, in any case and spelling.
        "1qaz2wsx3edc",
        "LeaveMeAlone",
        "\uff4c\uff45\uff41\uff56\uff45\uff4d\uff45alone",
        # What is made of shorter ones.
        "passwordpassword",
        "password1234",
        "1234password!",
        "P@ssw0rd1234",
        "drowssap4321",
        "iloveyou2026",
        "letmeinletmein",
        "password" * 32,
        # What is no secret at all.
        "123456789012",
        "qwertyuiop[]",
        "xxxxxxxxxxxx",
        "            ",
        "\U0001f600" * 12,
        "aaaabbbbcccc",
        "abcdefghijklmnop",
        "a" * 256,
        "19900101" * 4,
    ],
)
def test_common_one_is_refused(here: Flask, password: str) -> None:
    assert reason(password) == "common"


@pytest.mark.asvs("6.2.11")
@pytest.mark.parametrize(
    "password",
    [
        EMAIL,
        EMAIL.upper(),
        "adalovelace2026",
        "Ada.Lovelace!",
        "lovelace12345",
        "slugline12345",
        "SLUGLINESLUGLINE",
        "Slugline!2026",
        "slugline2026!!",
        "go.sho-rt.example",
        "example.orgexample.org",
        "slugline-lovelace",
    ],
)
def test_one_made_of_what_a_guesser_knows_is_refused(here: Flask, password: str) -> None:
    assert reason(password) == "context"


def test_words_of_somebody_else_are_no_context(here: Flask) -> None:
    assert passwords.accepted("adalovelace2026", email="bob@example.org")


@pytest.mark.asvs("6.2.4", "6.2.12")
def test_list_is_as_long_as_promised() -> None:
    assert sum(strength.is_listed(word) for word in FREQUENCY_LISTS["passwords"]) >= 10_000


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("zX9!klmQ", None),
        (f"Correct-{PASSWORD}-9", None),
        ("zX9!klm", "length"),
        ("zx9!klmq", "composition"),
        ("ZX9!KLMQ", "composition"),
        ("zXy!klmQ", "composition"),
        ("zX9yklmQ", "composition"),
        (PASSWORD, "composition"),
        ("Passw0rd!", "common"),
        ("Abcdef1!", "common"),
        ("Slugline1!", "context"),
    ],
)
def test_composition_rules_are_an_opt_in(here: Flask, password: str, expected: str | None) -> None:
    here.config["PASSWORD_RULES"] = "composition"
    assert reason(password) == expected


@hypothesis.settings(max_examples=40)
@hypothesis.given(strategies.text(min_size=12, max_size=256))
def test_no_text_is_an_error_of_ours(password: str) -> None:
    assert strength.weakness(password.casefold(), ["ada"]) in (None, "common", "context")


@pytest.mark.asvs("6.2.8")
def test_two_spellings_of_one_password_match(bare: Flask) -> None:
    with bare.app_context():
        stored = passwords.hashed("cafe\u0301 " + LIGATURE + " 1234567")
        assert passwords.matches("caf\u00e9 ffi 1234567", stored)
        assert not passwords.matches("cafe ffi 1234567", stored)


@pytest.mark.asvs("11.4.2")
def test_each_hash_has_its_salt_and_the_rounds_of_the_setting(bare: Flask) -> None:
    with bare.app_context():
        first, second = (passwords.hashed("correct horse battery") for _ in range(2))
    assert first != second
    assert first.startswith("pbkdf2:sha256:10$")


def test_hash_of_other_rounds_still_matches(bare: Flask) -> None:
    with bare.app_context():
        stored = passwords.hashed("correct horse battery")
        bare.config["PASSWORD_ROUNDS"] = 20
        assert passwords.matches("correct horse battery", stored)


def test_hashes_are_those_of_werkzeug_both_ways(bare: Flask) -> None:
    password = "caf\u00e9 correct horse"
    with bare.app_context():
        assert check_password_hash(passwords.hashed(password), password)
        theirs = generate_password_hash(password, "pbkdf2:sha256:1000")
        assert passwords.matches(password, theirs)
        assert not passwords.matches("cafe correct horse", theirs)


def test_without_a_hash_nothing_matches_and_one_is_burnt(bare: Flask) -> None:
    bare.config["PASSWORD_ROUNDS"] = 100_000
    with bare.app_context():
        stored = passwords.hashed("correct horse battery")
        known, unknown = (
            _seconds(lambda hash_=hash_: passwords.matches("x", hash_)) for hash_ in (stored, None)
        )
        assert not passwords.matches("nobody's password", None)
    assert unknown > known / 4


@pytest.mark.asvs("11.2.2")
def test_hash_is_renewed_where_the_rounds_were_raised(here: Flask) -> None:
    stored = passwords.hashed(PASSWORD)
    assert passwords.renewed(PASSWORD, stored) is None
    here.config["PASSWORD_ROUNDS"] = 20
    renewed = passwords.renewed(PASSWORD, stored)
    assert renewed is not None and renewed.startswith("pbkdf2:sha256:20$")
    assert passwords.matches(PASSWORD, renewed)
    here.config["PASSWORD_ROUNDS"] = 15
    assert passwords.renewed(PASSWORD, renewed) is None


def test_wrong_guess_at_a_hash_of_fewer_rounds_costs_as_many_as_any(
    here: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the time would tell which accounts exist, until each of them has signed in again."""
    stored = passwords.hashed(PASSWORD)
    here.config["PASSWORD_ROUNDS"] = 2000
    derived = passwords._derived
    spent: list[int] = []

    def noted(password: str, salt: str, rounds: int) -> bytes:
        spent.append(rounds)
        return derived(password, salt, rounds)

    monkeypatch.setattr(passwords, "_derived", noted)
    for hash_ in (stored, None):
        spent.clear()
        assert not passwords.matches("wrong password", hash_)
        assert sum(spent) == 2000


def _seconds(call: object) -> float:
    """The shortest of three, so that a busy machine does not count."""
    assert callable(call)
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken)
