"""Challenges of WebAuthn: what is stored of them."""

import pytest
from flask import Flask
from sqlalchemy import func, select

from app import database
from app.accounts import challenges
from app.accounts.models import SpentChallenge
from app.extensions import db
from tests.making import let_pass


def stored(app: Flask) -> int:
    with app.app_context(), database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(SpentChallenge)) or 0


def test_asking_stores_nothing(app: Flask) -> None:
    with app.app_context():
        assert challenges.make("p") != challenges.make("p")
    assert stored(app) == 0


def test_answered_one_is_kept_until_it_would_be_too_old(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        challenges.spend(challenges.make("p", "holder"), "p", "holder")
        db.session.commit()
        challenges.forget_expired()
        assert stored(app) == 1
        let_pass(monkeypatch, seconds=301)
        challenges.forget_expired()
    assert stored(app) == 0
