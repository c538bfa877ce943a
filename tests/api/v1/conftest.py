"""An OpenID provider for the tests of sign-in."""

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.issuer import Issuer, issuing, lend


@pytest.fixture(scope="module")
def running() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def issuer(running: Issuer, app: Flask) -> Issuer:
    lend(app, running)
    return running
