"""A provider that the generated people can sign in at."""

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.issuer import Issuer, issuing, lend


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    with issuing() as running:
        yield running


@pytest.fixture(autouse=True)
def _with_a_provider(request: pytest.FixtureRequest) -> None:
    """Of each application; tests without one have no use for it."""
    if "app" in request.fixturenames:
        app: Flask = request.getfixturevalue("app")
        lend(app, request.getfixturevalue("issuer"))
