"""app/accounts/guesses.py: what a count is kept under."""

import re

from flask import Flask

from app.accounts.guesses import Guessed


def test_key_tells_neither_address_nor_account(bare: Flask) -> None:
    with bare.app_context():
        key = Guessed("GUESSES_ACCOUNT", ("password", "ada@example.org")).key
    assert re.fullmatch(r"[0-9a-f]{64}", key)


def test_parts_cannot_be_moved_from_one_to_the_next(bare: Flask) -> None:
    keys = {("ab", "c"), ("a", "bc"), ("abc",), ("abc", "")}
    with bare.app_context():
        assert len({Guessed("GUESSES_LINK", parts).key for parts in keys}) == len(keys)
        assert Guessed("GUESSES_LINK", ("a",)).key != Guessed("GUESSES_ACCOUNT", ("a",)).key


def test_key_depends_on_the_secret(bare: Flask) -> None:
    guess = Guessed("GUESSES_LINK", ("a",))
    with bare.app_context():
        before = guess.key
        bare.config["SECRET_KEY"] = "another"
        assert guess.key != before
