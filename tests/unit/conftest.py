"""A Flask that is not Slugline: what a single step needs, and no database."""

import pytest
from flask import Flask

from tests.conftest import SECRETS


@pytest.fixture
def bare() -> Flask:
    app = Flask("bare", static_folder=None)
    app.config.update(SECRET_KEY=SECRETS["SECRET_KEY"], PUBLIC_URL="https://go.sho-rt.example", WEB_WORKERS=1)
    app.config.update(PASSWORD_ROUNDS=10, PASSWORD_RULES="length", WEB_THREADS=8)
    return app
