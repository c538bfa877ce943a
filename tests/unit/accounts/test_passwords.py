"""app/accounts/passwords.py"""

import time

import pytest
from flask import Flask
from werkzeug.security import check_password_hash, generate_password_hash

from app.accounts import passwords
from app.errors import ValidationFailed

LIGATURE = "\N{LATIN SMALL LIGATURE FFI}"  # three characters after NFKC


@pytest.mark.parametrize(
    "password",
    [
        "x" * 12,
        "x" * 256,
        "            ",
        "correct horse",
        "\U0001f600" * 12,
        LIGATURE * 4,
        "p\u00e4ssw\u00f6rter sind toll",
    ],
)
def test_length_is_all_that_is_asked(password: str) -> None:
    assert passwords.accepted(password)


@pytest.mark.parametrize("password", ["", "x" * 11, "x" * 257, LIGATURE * 86, "e\u0301" * 11])
def test_length_is_counted_after_nfkc(password: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        passwords.accepted(password, field="new_password")
    assert refused.value.field == "new_password"


def test_two_spellings_of_one_password_match(bare: Flask) -> None:
    with bare.app_context():
        stored = passwords.hashed("cafe\u0301 " + LIGATURE + " 1234567")
        assert passwords.matches("caf\u00e9 ffi 1234567", stored)
        assert not passwords.matches("cafe ffi 1234567", stored)


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


def _seconds(call: object) -> float:
    """The shortest of three, so that a busy machine does not count."""
    assert callable(call)
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken)
